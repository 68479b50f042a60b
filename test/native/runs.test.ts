import { beforeAll, describe, expect, test } from 'vitest'
import type { NativeContext, NativeEvalEntry, NativeModel } from '../../src/native/contract.ts'
import { continueGreedily, greedy, openContext, openModel, tokens } from '../support/native-models.ts'

/** Long enough to end by steps alone, whatever else the machine does. */
const A_MINUTE = 60_000

let model: NativeModel
let context: NativeContext
let prompt: Int32Array
beforeAll(async () => {
  model = await openModel()
  context = await openContext(model, { sequences: 4 })
  prompt = tokens(model, 'Once upon a time')
})

const entry = (sequence = 0, ids = prompt): NativeEvalEntry => ({
  sequence,
  position: 0,
  tokens: ids,
  outputs: [ids.length - 1],
  sampler: greedy(model),
})
const run = (steps: number, milliseconds = A_MINUTE) => ({ steps, milliseconds })

describe('a run of steps', () => {
  test('samples the same tokens as single steps, and leaves all but the last in the cache', async () => {
    const single = await continueGreedily(context, model, prompt, { count: 20 })
    const [result] = await context.eval([entry()], run(20))
    expect([...result!.tokens]).toEqual(single)
    expect(await context.positions(0)).toEqual({ min: 0, max: prompt.length + 20 - 2 })
  })

  test('runs several sequences, each with its own sampler', async () => {
    const texts = ['The capital of Italy is', 'Once upon a time', 'Hello'].map((text) => tokens(model, text))
    const alone: number[][] = []
    for (const text of texts) alone.push(await continueGreedily(context, model, text, { count: 3 }))
    const together = await context.eval(
      texts.map((text, i) => entry(i, text)),
      run(3),
    )
    expect(together.map((result) => [...result.tokens])).toEqual(alone)
  })

  test('returns logits and log probabilities of each token', async () => {
    const [result] = await context.eval([{ ...entry(), logits: true, logprobs: 2 }], run(3))
    expect([result!.tokens.length, result!.logits!.length, result!.logprobs!.length]).toEqual([3, 3, 3])
    for (const [i, { topTokens }] of result!.logprobs!.entries()) expect(topTokens[0]).toBe(result!.tokens[i])
  })

  test('ends with the end token of one of them', async () => {
    const ending = tokens(model, 'The capital of France is')
    const [result] = await context.eval([entry(0, ending)], run(200))
    const ends = new Set(model.info.endTokens)
    expect(result!.tokens.length).toBeLessThan(200)
    expect([...result!.tokens].map((token) => ends.has(token))).toEqual(
      [...result!.tokens].map((_, i) => i === result!.tokens.length - 1),
    )
  })

  test('is one step if there is no time for another', async () => {
    const [short] = await context.eval([entry()], run(20, 0))
    expect(short!.tokens).toHaveLength(1)
  })

  test('ends after the step in which endRun() is called, and the next run continues', async () => {
    const most = context.info.cells - prompt.length
    const [whole] = await context.eval([entry()], run(most))
    expect(whole!.tokens.length).toBeGreaterThan(50)
    const ended = context.eval([entry()], run(most))
    context.endRun()
    expect((await ended)[0]!.tokens.length).toBeLessThan(whole!.tokens.length)
    const [next] = await context.eval([entry()], run(20))
    expect(next!.tokens).toHaveLength(20)
  })

  test('keeps its tokens when it is aborted after its first step', async () => {
    const most = context.info.cells - prompt.length
    const aborted = context.eval([entry()], run(most)).then(
      ([result]) => result!.tokens.length,
      (error: { code: string }) => error.code,
    )
    setImmediate(() => context.abort())
    const outcome = await aborted
    if (typeof outcome === 'string') expect(outcome).toBe('ERR_ABORTED')
    else expect(outcome).toBeLessThanOrEqual(most)
    expect(await continueGreedily(context, model, prompt, { count: 5 })).toHaveLength(5)
  })

  test.each([
    ['steps', { steps: 0, milliseconds: 1 }],
    ['steps', { steps: 1.5, milliseconds: 1 }],
    ['steps', { steps: 1e6, milliseconds: 1 }],
    ['milliseconds', { steps: 2, milliseconds: -1 }],
    ['milliseconds', { steps: 2, milliseconds: Number.NaN }],
    ['run', 'fast'],
  ])('is refused with a wrong %s: %j', (name, wrong) => {
    const loose = context as unknown as { eval(entries: unknown, run: unknown): unknown }
    expect(() => loose.eval([entry()], wrong)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(name) }),
    )
  })

  test('is refused if an entry does not sample one token from its last, or has no cells for it', () => {
    const { sampler, ...silent } = entry()
    const refused = (one: NativeEvalEntry, steps: number) =>
      expect(() => context.eval([one], run(steps))).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
    refused(silent, 2)
    refused({ ...entry(), outputs: [0, 1] }, 2)
    refused(entry(), context.info.cells)
  })
})
