// Our side of the benchmark, in a process of its own: `node bench/ours.mjs <job> <options as JSON>` answers with JSON
// on stdout. It uses the package as a user would: its public entry, built.
import { setTimeout as sleep } from 'node:timers/promises'
import { GPT4All } from '../dist/index.js'
import { loopDelays } from './event-loop.mjs'
import { isFirst } from './pairs.mjs'
import { promptOf } from './prompts.mjs'

const GREEDY = { temp: 0, repeatPenalty: 1 }
const DEFAULT_SAMPLING = { temp: 0.7, topK: 40, topP: 0.4, repeatPenalty: 1.18 }
const MOST_VARIANTS = 200

const jobs = { speed, turns, sampling, loop, abort, memory, text, download }

/** Tokens per second of each repetition, `{ prefill, decode }`, after one that warms up. */
async function speed({ model: file, threads, prompt, tokens, repetitions }) {
  const model = await GPT4All.load(file, { nThreads: threads })
  const next = runner(model, prompt, tokens)
  await next(GREEDY)
  const runs = []
  for (let i = 0; i < repetitions; i++) runs.push(await next(GREEDY))
  await model.close()
  return { prefill: runs.map((run) => run.prefill), decode: runs.map((run) => run.decode) }
}

/**
 * A chat whose turns add `added` tokens to the prompt each: ms to the first token of the turns numbered `at`, and how
 * many tokens were cached by then.
 */
async function turns({ model: file, threads, added, answer, at, variant }) {
  const model = await GPT4All.load(file, { nThreads: threads })
  const session = model.chatSession()
  const turn = (prompt) => session.generate(prompt, { ...GREEDY, maxTokens: answer }).result
  const evaluatedOf = ({ usage }) => usage.promptTokens - usage.cachedTokens
  await turn('Hello')
  const frame = evaluatedOf(await turn('Hello')) - (await model.countTokens('Hello')) // around a message
  session.messages = []
  const measured = []
  for (let number = 1; number <= Math.max(...at); number++) {
    const result = await turn(await promptOf(model, added - frame, variant * MOST_VARIANTS + number))
    const { usage, timings } = result
    if (!at.includes(number)) continue
    measured.push({ ms: timings.promptMs, depth: usage.cachedTokens, evaluated: evaluatedOf(result) })
  }
  await model.close()
  return measured
}

/** Pairs of tokens per second: with the default sampling, and greedily without penalty. */
async function sampling({ model: file, threads, prompt, tokens, pairs }) {
  const model = await GPT4All.load(file, { nThreads: threads })
  const next = runner(model, prompt, tokens)
  await next(GREEDY)
  const measured = []
  for (let i = 0; i < pairs; i++) {
    const pair = {}
    const sides = [
      async () => Object.assign(pair, { ours: (await next(DEFAULT_SAMPLING)).decode }),
      async () => Object.assign(pair, { theirs: (await next(GREEDY)).decode }),
    ]
    for (const side of isFirst(i) ? sides : sides.reverse()) await side()
    measured.push(pair)
  }
  await model.close()
  return measured
}

/**
 * A function that generates `tokens` tokens behind a prompt of `prompt` tokens that is not cached, and resolves with
 * the speed of both parts. The first token comes out of the prompt's own evaluation, so there is one more of them.
 */
function runner(model, prompt, tokens) {
  let variant = 0
  return async (options) => {
    while (variant < MOST_VARIANTS) {
      const text = await promptOf(model, prompt, variant++)
      const started = performance.now()
      const { usage, timings } = await model.generate(text, { ...options, maxTokens: tokens + 1 }).result
      const ms = performance.now() - started
      if (usage.promptTokens !== prompt || usage.cachedTokens > 1)
        throw new Error(`not the prompt that was meant: ${JSON.stringify(usage)}`)
      // The model may end its answer before; then another beginning is tried.
      if (usage.completionTokens !== tokens + 1) continue
      const evaluated = prompt - usage.cachedTokens
      return {
        prefill: (evaluated / timings.promptMs) * 1000,
        decode: (tokens / (ms - timings.promptMs)) * 1000,
      }
    }
    throw new Error(`the model ends its answers before ${tokens} tokens`)
  }
}

/** The 99th percentile of the event loop's delay, ms: `[{ idle, generating }]`, alternating. */
async function loop({ model: file, threads, rounds, ms }) {
  const model = await GPT4All.load(file, { nThreads: threads })
  const write = async (until) => {
    for (let variant = 0; performance.now() < until; variant++) {
      const text = await promptOf(model, 64, variant)
      for await (const _ of model.generate(text, { maxTokens: 400 })) if (performance.now() >= until) break
    }
  }
  const measured = await loopDelays({ rounds, ms }, write)
  await model.close()
  return measured
}

/** ms from `abort()` inside a long prompt to the rejection, and to the first token of the next generation. */
async function abort({ model: file, threads, prompt, delays }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx: prompt + 96 })
  await model.generate('Hello', { maxTokens: 2 })
  const measured = []
  for (const [variant, delay] of delays.entries()) {
    const text = await promptOf(model, prompt, variant)
    const controller = new AbortController()
    const generation = model.generate(text, { maxTokens: 1, signal: controller.signal })
    const rejected = generation.then(
      () => Promise.reject(new Error(`the prompt was done before the abort after ${delay} ms`)),
      () => performance.now(),
    )
    await sleep(delay)
    const aborted = performance.now()
    controller.abort()
    const rejection = (await rejected) - aborted
    await model.generate('Hello', { maxTokens: 1 })
    measured.push({ rejection, next: performance.now() - aborted })
  }
  await model.close()
  return measured
}

/** Resident bytes after each of `times` times: load, one token, close. Needs --expose-gc. */
async function memory({ model: file, threads, times }) {
  const resident = []
  for (let i = 0; i < times; i++) {
    const model = await GPT4All.load(file, { nThreads: threads })
    await model.generate('Hello', { maxTokens: 1 })
    await model.close()
    globalThis.gc()
    await sleep(5) // finalizers run on the event loop
    globalThis.gc()
    resident.push(process.memoryUsage.rss())
  }
  return resident
}

/** The greedy texts of `prompts`. */
async function text({ model: file, threads, prompts, tokens, nCtx }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx })
  const texts = []
  for (const prompt of prompts) texts.push(await model.generate(prompt, { ...GREEDY, maxTokens: tokens }))
  await model.close()
  return texts
}

/** A download: its ms, and by how many bytes the process grew at most. */
async function download({ url, modelPath, md5sum }) {
  const before = process.memoryUsage.rss()
  const peakBefore = process.resourceUsage().maxRSS * 1024
  let peak = before
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const sampling = setInterval(sample, 10)
  const started = performance.now()
  await GPT4All.downloadModel('model', { url, modelPath, md5sum, onProgress: sample })
  const ms = performance.now() - started
  clearInterval(sampling)
  // A process that was just started may still have the peak of the one that started it.
  const peakAfter = process.resourceUsage().maxRSS * 1024
  return { ms, growth: Math.max(peak, peakAfter > peakBefore ? peakAfter : 0) - before }
}

const [job, options] = process.argv.slice(2)
process.stdout.write(JSON.stringify(await jobs[job](JSON.parse(options))))
