import { setImmediate as nextTurnOfLoop } from 'node:timers/promises'
import { afterEach, expect } from 'vitest'
import { EngineCrashedError, GPT4All, type ModelOptions } from '../../src/index.ts'
import { EMBEDDED } from './models.ts'
import { until } from './until.ts'

// The engine's process runs dist/, which `npm test` makes of the same sources first.
export const GREEDY = { temp: 0, repeatPenalty: 1 }
/** Token ids of `<|im_end|>` and `<|endoftext|>`: without them the model never ends. */
const UNENDING = { 2: Number.NEGATIVE_INFINITY, 0: Number.NEGATIVE_INFINITY }
export const ENDLESS = { ...GREEDY, maxTokens: Number.POSITIVE_INFINITY, logitBias: UNENDING }
export const QUESTION = 'The capital of France is'

/** What is closed after the test, the last one first. */
export const owners: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const owner of owners.splice(0)) await owner.close()
})

/** The embedded model in a process of its own. */
export async function open(options: ModelOptions = {}): Promise<GPT4All> {
  const model = new GPT4All(EMBEDDED, { nThreads: 1, nCtx: 512, isolated: true, ...options })
  owners.unshift(model)
  return model.open()
}

export const answer = async (model: GPT4All): Promise<string> =>
  (await model.generate(QUESTION, { ...GREEDY, maxTokens: 5 })).trim()

export const kill = (model: GPT4All, signal: NodeJS.Signals = 'SIGKILL') =>
  process.kill(model.engine!.pid!, signal)

/** The process of its engine, which an opening starts, is there. */
export async function started(model: GPT4All): Promise<void> {
  while (model.engine?.pid === undefined) await nextTurnOfLoop()
}

/** What `kill` did has arrived. */
export const crashed = (model: GPT4All) => until(() => expect(model.engine?.state).toBe('idle'))

export async function failure(promise: PromiseLike<unknown>): Promise<EngineCrashedError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(EngineCrashedError)
  return error as EngineCrashedError
}
