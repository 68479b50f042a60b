// Several streams at once.
import { GPT4All } from '../../dist/index.js'
import { loopDelays } from '../event-loop.mjs'
import { gapsBetween, sharedTokens, totalRate } from '../streams.mjs'
import { firstOf, GREEDY, listen, promptsOf } from './asking.mjs'

/** Of the tokens asked for, those that all streams must have made side by side. */
const SHARED = 0.6

/** Tokens per second of all `count` streams together, of each repetition after one that warms up. */
export async function streams({
  model: file,
  threads,
  nCtx,
  count,
  prompt,
  tokens,
  repetitions,
  isolated = false,
}) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx, parallel: count, isolated })
  const next = rater(model, { prompt, tokens })
  await next(count)
  const rates = []
  for (let i = 0; i < repetitions; i++) rates.push(await next(count))
  await model.close()
  return rates
}

/** The same for each of `counts`, on one model: `[[rate, ...], ...]`, the counts taking turns. */
export async function throughput({ model: file, threads, nCtx, counts, prompt, tokens, repetitions }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx, parallel: Math.max(...counts) })
  const next = rater(model, { prompt, tokens })
  await next(counts[0])
  const measured = counts.map(() => [])
  for (let i = 0; i < repetitions; i++)
    for (const [at, count] of counts.entries()) measured[at].push(await next(count))
  await model.close()
  return measured
}

/** A function that runs so many streams, each behind a prompt that is not cached, and resolves with their rate. */
export function rater(model, { prompt, tokens }) {
  let next = 0
  return async (count) => {
    const once = async (round) => {
      const prompts = await promptsOf(model, prompt, count, round)
      const running = prompts.map((text) => listen(model, text, { ...GREEDY, maxTokens: tokens + 1 }))
      await Promise.all(running.map(({ result }) => result))
      const times = running.map((stream) => stream.times)
      return sharedTokens(times) >= SHARED * tokens ? totalRate(times) : undefined
    }
    const rate = await firstOf(once, next)
    next = rate.next
    return rate.made
  }
}

/**
 * `beside` streams run, first with one more of their kind, then while a prompt of `prompt` tokens is evaluated:
 * `{ steps, gaps, arrival }`, ms between tokens of theirs in both stretches, and until the prompt's first token.
 */
export async function gap({ model: file, threads, nCtx, prompt, beside, runs }) {
  const model = await GPT4All.load(file, { nThreads: threads, nCtx, parallel: beside + 1 })
  const once = async (round) => {
    const [last, ...prompts] = await promptsOf(model, 64, beside + 1, round)
    const [long] = await promptsOf(model, prompt, 1, round)
    const ending = new AbortController()
    const endless = { ...GREEDY, maxTokens: Number.POSITIVE_INFINITY, signal: ending.signal }
    const running = prompts.map((text) => listen(model, text, endless))
    const ended = Promise.allSettled(running.map(({ result }) => result))
    const eighth = listen(model, last, { ...GREEDY, maxTokens: 32 })
    await eighth.result
    const asked = performance.now()
    const arriving = listen(model, long, { ...GREEDY, maxTokens: 8 })
    await arriving.result
    ending.abort()
    await ended
    const [arrived, until] = arriving.times
    const all = (from, to) => running.flatMap(({ times }) => gapsBetween(times, from, to))
    if (until === undefined || running.some(({ times }) => times.at(-1) < until)) return undefined
    return {
      steps: all(Math.max(eighth.times[0], ...running.map(({ times }) => times[0])), eighth.times.at(-1)),
      gaps: all(asked, until),
      arrival: arrived - asked,
    }
  }
  const measured = []
  let next = 0
  for (let i = 0; i < runs; i++) {
    const run = await firstOf(once, next)
    next = run.next
    measured.push(run.made)
  }
  await model.close()
  return measured
}

/** The 99th percentile of the event loop's delay, ms: `[{ idle, generating }]`, alternating, with `count` streams. */
export async function loop({ model: file, threads, count, rounds, ms }) {
  const model = await GPT4All.load(file, { nThreads: threads, parallel: count })
  const write = async (until, round) => {
    const prompts = await promptsOf(model, 64, count, round)
    const stream = async (text) => {
      while (performance.now() < until)
        for await (const _ of model.generate(text, { maxTokens: 400 })) if (performance.now() >= until) break
    }
    await Promise.all(prompts.map(stream))
  }
  const measured = await loopDelays({ rounds, ms }, write)
  await model.close()
  return measured
}
