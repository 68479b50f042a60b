// One stream: beside other programs, what it takes in memory, how fast a file opens, how a conversation grows.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { GPT4All } from '../../dist/index.js'
import { promptOf } from '../prompts.mjs'
import { anonymousMemory } from '../resident.mjs'
import { firstOf, GREEDY, listen } from './asking.mjs'

const DEPTH = 64

/**
 * Tokens per second beside one busy loop per core, of a model that chooses its threads (after `settle` ms of it) and of
 * one for each of `fixed`, taking turns: `[{ chosen, fixed: [...] }]`.
 */
export async function busy({ model: file, fixed, rounds, settle, ms }) {
  const open = (nThreads) => GPT4All.load(file, { nThreads, parallel: 1 })
  const choosing = await open(undefined)
  const others = []
  for (const count of fixed) others.push(await open(count))
  for (const model of [choosing, ...others]) await rateFor(model, 200, 0)
  const loops = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
  const measured = []
  try {
    await Promise.all(loops.map((child) => once(child, 'spawn')))
    for (let round = 1; round <= rounds; round++) {
      await rateFor(choosing, settle, 3 * round)
      const chosen = await rateFor(choosing, ms, 3 * round + 1)
      const rates = []
      for (const model of others) rates.push(await rateFor(model, ms, 3 * round + 2))
      measured.push({ chosen, fixed: rates })
    }
  } finally {
    for (const child of loops) child.kill('SIGKILL')
  }
  for (const model of [choosing, ...others]) await model.close()
  return measured
}

/** Tokens per second of decode alone, over at least `ms`; a text that ends is followed by another. */
async function rateFor(model, ms, round) {
  let [tokens, spent] = [0, 0]
  for (let variant = 100 * round; spent < ms; variant++) {
    const ending = new AbortController()
    const { signal } = ending
    const text = await promptOf(model, DEPTH, variant)
    const times = []
    const callback = () => {
      times.push(performance.now())
      return spent + times.at(-1) - times[0] < ms
    }
    await model.generate(text, { ...GREEDY, maxTokens: 400, signal, callback })
    tokens += times.length - 1
    spent += times.at(-1) - times[0]
  }
  return (tokens / spent) * 1000
}

/** Bytes of anonymous memory with one stream at work behind a prompt. */
export async function memory({ model: file, threads, nCtx, prompt, tokens }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx })
  const text = await promptOf(model, prompt)
  let bytes
  let count = 0
  const callback = () => {
    count++
    if (count === tokens) bytes = anonymousMemory()
    return count < tokens
  }
  await model.generate(text, { ...GREEDY, callback })
  await model.close()
  return bytes
}

/** ms from the call until the model is open and its template analysed. */
export async function open({ model: file, threads, nCtx }) {
  const started = performance.now()
  const model = await GPT4All.load(file, { nThreads: threads, nCtx })
  const loaded = performance.now() - started
  await model.renderPrompt([{ role: 'user', content: 'Hello' }])
  const opened = performance.now() - started
  await model.close()
  return { loaded, opened }
}

/**
 * A conversation of `turns` turns that each add `added` tokens to the prompt and `answer` to the answer:
 * `[{ depth, ms }]`, the tokens cached before a turn and what the turn took.
 */
export async function growth({ model: file, threads, nCtx, turns, added, answer, variant }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx, parallel: 1 })
  const conversation = async (round) => {
    let text = ''
    const measured = []
    for (let turn = 0; turn < turns; turn++) {
      text += await promptOf(model, added, 1000 * variant + 100 * round + turn)
      const started = performance.now()
      const stream = listen(model, text, { ...GREEDY, maxTokens: answer })
      const { text: answered, usage } = await stream.result
      const ms = performance.now() - started
      if (usage.completionTokens !== answer) return undefined
      text += answered
      measured.push({ depth: usage.cachedTokens, evaluated: usage.promptTokens - usage.cachedTokens, ms })
    }
    return measured
  }
  await listen(model, 'Hello', { maxTokens: 2 }).result
  const { made } = await firstOf(conversation)
  await model.close()
  return made
}
