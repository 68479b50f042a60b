// Greedy texts of ours against those that llama.cpp's own llama-completion wrote, recorded by bench/record-greedy.mjs.
// One thread in the tests, two in a campaign: ggml's threads wait for one another by spinning, which is slow beyond
// measure beside another busy test file.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CONTEXT, flagsFor, TOKENS } from '../../bench/greedy.mjs'
import { kernelsOf, llamaCompletion } from '../../bench/programs.mjs'
import { areBuilt, llamaToolsRoom } from '../../scripts/llama-tools.mjs'
import { GPT4All } from '../../src/index.ts'
import { loadBinding } from '../../src/native/binding.ts'
import { hasReal, REAL } from '../support/models.ts'

export const golden = JSON.parse(
  readFileSync(new URL('../golden/greedy-smollm2.json', import.meta.url), 'utf8'),
)

/** Kernels for other CPU features add in another order, so two all but equal logits may change places. */
const kernels = kernelsOf(loadBinding().systemInfo)
const comparable = golden.arch === process.arch && golden.kernels === kernels
const tools = comparable ? undefined : await llamaToolsRoom()
const live = areBuilt(tools)

/** What llama-completion writes: as recorded, or by asking it now. */
const expected = async ({ prompt, threads, text }) =>
  comparable ? text : (await llamaCompletion(tools, { model: REAL, prompt, flags: flagsFor(threads) })).text

if (hasReal && !comparable && !live) {
  console.warn(
    `The greedy texts were recorded with other kernels (${golden.arch} ${golden.kernels}) than this build's ` +
      `(${process.arch} ${kernels}), so they are not compared: run \`node scripts/llama-tools.mjs\` to compare with ` +
      'llama-completion itself.',
  )
}

/** Defines the tests for one number of threads. */
export function compareGreedy(threads) {
  const entries = golden.texts.filter((entry) => entry.threads === threads)
  describe.skipIf(!hasReal || !(comparable || live))(`greedy text with ${threads} thread(s)`, () => {
    test.each(entries)('equals llama-completion for $prompt', async (entry) => {
      const model = await GPT4All.load(REAL, { nThreads: threads, nCtx: CONTEXT })
      const text = await model.generate(entry.prompt, { temp: 0, repeatPenalty: 1, maxTokens: TOKENS })
      expect(text).toBe(await expected(entry))
      await model.close()
    })
  })
}
