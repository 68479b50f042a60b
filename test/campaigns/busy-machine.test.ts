import { type ChildProcess, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { hasReal, REAL } from '../support/models.ts'

const cores = availableParallelism()
const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 40 }
const BUSY_SECONDS = 120 // they end by themselves, whatever happens to this process
const LOOP = `const end = Date.now() + ${BUSY_SECONDS * 1000}; while (Date.now() < end);`
const nothing = () => {}

const others: ChildProcess[] = []
beforeAll(() => {
  for (let i = 0; i < cores; i++) others.push(spawn(process.execPath, ['-e', LOOP], { stdio: 'ignore' }))
})
afterAll(() => {
  for (const other of others) other.kill('SIGKILL')
})

// One busy loop per core: threads that wait for each other spinning would need a second or more for each token.
// (Only Linux tells what preempts a thread; with one core there is nothing to give up.)
test.skipIf(cores < 2 || process.platform !== 'linux' || !hasReal)(
  'among other programs fewer threads compute, and the text is the same',
  async () => {
    const fixed = await GPT4All.load(REAL, { nThreads: 1 })
    const prompt = await fixed.renderPrompt([{ role: 'user', content: 'Why is the sky blue?' }])
    const expected = await fixed.generate(prompt, GREEDY)
    await fixed.close()

    const chosen: string[] = []
    const debug = (line: string) => /^computing with/.test(line) && chosen.push(line)
    const model = await GPT4All.load(REAL, {
      logger: { debug, info: nothing, warn: nothing, error: nothing },
    })
    for (let times = 0; times < 3; times++) expect(await model.generate(prompt, GREEDY)).toBe(expected)
    await model.close()
    expect(chosen[0]).toMatch(new RegExp(`^computing with \\d+ of ${cores} threads$`))
  },
)
