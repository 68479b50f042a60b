import { describe, expect, test } from 'vitest'
import { loadBinding } from '../../src/native/binding.ts'
import type { NativeSampler, NativeSamplerParams } from '../../src/native/contract.ts'
import { chiSquareDeviation } from '../support/chi-square.ts'
import { seeded } from '../support/gguf-writer.ts'
import { GREEDY } from '../support/native-models.ts'
import { PLAIN, probabilities, type ReferenceParams } from '../support/reference-sampler.ts'

const { Sampler } = loadBinding()

const DRAWS = 40_000
/** Standard deviations; the seeds are fixed, so a run either always passes or never. */
const AGREES = 3.5

const OFF: NativeSamplerParams = { ...GREEDY, ...PLAIN }

function sampler(vocabSize: number, params: Partial<NativeSamplerParams> = {}): NativeSampler {
  return new Sampler(vocabSize, { ...OFF, ...params })
}

/** Logits as a model makes them: some likely words, many unlikely ones, in no order. */
function someLogits(size: number, seed = 5): Float32Array {
  const random = seeded(seed)
  return Float32Array.from({ length: size }, () => 6 * random() ** 3 - 2 + random())
}

const LOGITS = someLogits(40)

/** How often each token is drawn. `recent` is what the penalty sees at every draw. */
function count(
  logits: Float32Array,
  params: Partial<NativeSamplerParams>,
  { draws = DRAWS, recent = [] as readonly number[] } = {},
): number[] {
  const drawing = sampler(logits.length, { ...params, repeatLastN: recent.length })
  const counts = new Array<number>(logits.length).fill(0)
  for (let i = 0; i < draws; i++) {
    // As many as the window holds: the token drawn last leaves it.
    for (const token of recent) drawing.accept(token)
    const drawn = drawing.sample(logits)
    counts[drawn] = counts[drawn]! + 1
  }
  return counts
}

function expectAgreement(params: Partial<ReferenceParams>, recent: readonly number[] = []): void {
  const counts = count(LOGITS, params, { recent })
  const expected = probabilities(LOGITS, params, recent)
  expect(chiSquareDeviation(counts, expected)).toBeLessThan(AGREES)
  const never = counts.filter((drawn, token) => drawn > 0 && expected[token] === 0)
  expect(never).toEqual([])
}

function biasOf(bias: Readonly<Record<number, number>>) {
  const entries = Object.entries(bias)
  return {
    biasedTokens: Int32Array.from(entries, ([token]) => Number(token)),
    biases: Float32Array.from(entries, ([, value]) => value),
  }
}

const allowed = (expected: readonly number[]) => expected.filter((share) => share > 0).length

describe('the sampled distribution equals the calculated one:', () => {
  test.each([0.25, 0.5, 1, 2, 10])('temperature %d', (temperature) => {
    expectAgreement({ temperature })
  })

  test.each([1, 2, 3, 10, 39, 40, 41, 1_000_000])('top-k %d', (topK) => {
    expectAgreement({ topK })
    expect(allowed(probabilities(LOGITS, { topK }))).toBe(Math.min(topK, 40))
  })

  test.each([0, 0.1, 0.4, 0.7, 0.95, 0.999])('top-p %d', (topP) => {
    expectAgreement({ topP })
  })

  test.each([0.01, 0.05, 0.3, 0.9, 1])('min-p %d', (minP) => {
    expectAgreement({ minP })
  })

  test.each([1.18, 2, 0.5])('repeat penalty %d', (repeatPenalty) => {
    const recent = [...LOGITS.keys()].filter((token) => token % 3 === 0)
    expect(recent.some((token) => LOGITS[token]! > 0) && recent.some((token) => LOGITS[token]! < 0)).toBe(
      true,
    )
    expectAgreement({ repeatPenalty }, recent)
  })

  test.each<Partial<ReferenceParams>>([
    { repeatPenalty: 1.18, topK: 40, topP: 0.4, temperature: 0.7 },
    { repeatPenalty: 1.18, topK: 20, topP: 0.9, minP: 0.05, temperature: 0.7 },
    { repeatPenalty: 1.5, topK: 12, topP: 0.95, minP: 0.1, temperature: 2 },
    { topP: 0.8, minP: 0.2, temperature: 1.5 },
    { topK: 15, minP: 0.1, temperature: 0.5 },
    { topK: 10, topP: 0.6 },
  ])('the chain %o', (params) => {
    expectAgreement(params, 'repeatPenalty' in params ? [0, 3, 7, 12, 30] : [])
  })

  // Each draw has a sampler of its own: these penalties forget nothing.
  test.each<Partial<ReferenceParams>>([
    { presencePenalty: 1.5 },
    { presencePenalty: -2 },
    { frequencyPenalty: 0.7 },
    { frequencyPenalty: -0.5, presencePenalty: 1 },
    { bias: { 3: 2, 12: -100, 20: Number.NEGATIVE_INFINITY } },
    { bias: { 0: 3, 5: -1 }, repeatPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.5, topK: 20 },
  ])('bias and the penalties %o', (params) => {
    const recent = [0, 3, 3, 7, 3, 12, 0]
    const { bias = {}, ...others } = params
    const counts = new Array<number>(LOGITS.length).fill(0)
    for (let seed = 0; seed < DRAWS; seed++) {
      const drawing = sampler(LOGITS.length, { ...others, ...biasOf(bias), repeatLastN: 64, seed })
      for (const token of recent) drawing.accept(token)
      const drawn = drawing.sample(LOGITS)
      counts[drawn] = counts[drawn]! + 1
    }
    const expected = probabilities(LOGITS, params, recent)
    expect(chiSquareDeviation(counts, expected)).toBeLessThan(AGREES)
    expect(chiSquareDeviation(counts, probabilities(LOGITS, {}))).toBeGreaterThan(6)
  })

  test('each sampler of the chain acts on the result of the one before', () => {
    // Of the two kept by top-k the first holds 57 %: top-p 0.55 keeps it alone, while of all three it holds
    // 39 % and top-p would keep two.
    const logits = Float32Array.from([1, 0.7, 0.5])
    expect(allowed(probabilities(logits, { topK: 2, topP: 0.55 }))).toBe(1)
    expect(count(logits, { topK: 2, topP: 0.55 }, { draws: 1000 })).toEqual([1000, 0, 0])
    expect(count(logits, { topP: 0.55 }, { draws: 1000 })[1]).toBeGreaterThan(0)
    // The temperature comes last: however hot, it brings nothing back and moves no limit.
    const hot = count(LOGITS, { topP: 0.4, minP: 0.3, temperature: 1000 })
    const cold = probabilities(LOGITS, { topP: 0.4, minP: 0.3 })
    expect(hot.map((drawn) => drawn > 0)).toEqual(cold.map((share) => share > 0))
    // The penalty comes first: the best token leaves the best two.
    const twice = Float32Array.from([3, 2.9, 2.8])
    expect(count(twice, { topK: 2, repeatPenalty: 2 }, { draws: 1000, recent: [0] })[0]).toBe(0)
  })

  test('the test itself notices a small difference', () => {
    const counts = count(LOGITS, {})
    expect(chiSquareDeviation(counts, probabilities(LOGITS, {}))).toBeLessThan(AGREES)
    expect(chiSquareDeviation(counts, probabilities(LOGITS, { temperature: 1.05 }))).toBeGreaterThan(6)
    expect(chiSquareDeviation(counts, probabilities(LOGITS, { topK: 39 }))).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a large vocabulary', () => {
  const large = someLogits(49_152, 9).map((logit, token) => (token % 997 === 0 ? logit + 9 : logit))

  test.each<[string, Partial<ReferenceParams>, number]>([
    ['temperature 0.7', { temperature: 0.7 }, 600],
    ['top-k 40', { topK: 40 }, 4000],
    ['top-k 20,000', { topK: 20_000 }, 200],
    ['top-p 0.4', { topP: 0.4 }, 500],
    ['top-p 0.9', { topP: 0.9 }, 400],
    ['min-p 0.05', { minP: 0.05 }, 1000],
    ['the chain', { topK: 40, topP: 0.8, minP: 0.02, temperature: 0.7, repeatPenalty: 1.18 }, 4000],
  ])('gives the calculated distribution: %s', (_, params, draws) => {
    const recent = params.repeatPenalty ? [0, 997, 1994, 40_000] : []
    const expected = probabilities(large, params, recent)
    const counts = count(large, params, { draws, recent })
    expect(chiSquareDeviation(counts, expected)).toBeLessThan(AGREES)
  })
})

describe('the ends of each range', () => {
  test('temperature 0 picks the most likely token, after the penalty', () => {
    const logits = Float32Array.from([1, 5, 4.9, -3])
    expect(new Sampler(4, GREEDY).sample(logits)).toBe(1)
    const penalising = new Sampler(4, { ...GREEDY, repeatPenalty: 1.5, repeatLastN: 8 })
    expect([1, 2, 3].map(() => penalising.sample(logits))).toEqual([1, 2, 1])
  })

  test('temperature 0 picks the same token whatever else is set', () => {
    for (const other of [{ topK: 3 }, { topP: 0.1 }, { topP: 0 }, { minP: 1 }, { seed: 77 }]) {
      expect(new Sampler(40, { ...GREEDY, ...other }).sample(LOGITS)).toBe(
        LOGITS.indexOf(Math.max(...LOGITS)),
      )
    }
  })

  test('top-p 0 leaves only the most likely token', () => {
    const best = LOGITS.indexOf(Math.max(...LOGITS))
    expect(count(LOGITS, { topP: 0, temperature: 100 }, { draws: 500 })[best]).toBe(500)
  })

  test('top-k 0, top-p 1, min-p 0 and penalty 1 change no sampled token', () => {
    const plain = sampler(40)
    const withWindow = sampler(40, { repeatLastN: 64 })
    const wide = sampler(40, { topK: 40 })
    for (let i = 0; i < 500; i++) {
      const drawn = plain.sample(LOGITS)
      expect(withWindow.sample(LOGITS)).toBe(drawn)
      expect(wide.sample(LOGITS)).toBe(drawn)
    }
  })

  test('the smallest and largest temperatures sample tokens', () => {
    const best = LOGITS.indexOf(Math.max(...LOGITS))
    expect(sampler(40, { temperature: 1e-45 }).sample(LOGITS)).toBe(best)
    expect(sampler(40, { temperature: 1e-300 }).sample(LOGITS)).toBe(best)
    const even = count(LOGITS, { temperature: 3.4e38 })
    expect(chiSquareDeviation(even, new Array(40).fill(1 / 40))).toBeLessThan(AGREES)
  })

  test('a vocabulary of one token samples that token', () => {
    for (const params of [{}, { temperature: 0 }, { topK: 5 }, { topP: 0.5 }, { minP: 0.5 }]) {
      expect(sampler(1, params).sample(Float32Array.of(-4))).toBe(0)
    }
  })
})

describe('ties between logits:', () => {
  const tied = Float32Array.from([0, 2, 2, 2, 2, 0])

  test('greedy sampling picks the lowest id', () => {
    expect(new Sampler(6, GREEDY).sample(tied)).toBe(1)
  })

  test('top-k and top-p keep the lowest ids', () => {
    expect(count(tied, { topK: 2 }, { draws: 2000 }).map((drawn) => drawn > 0)).toEqual(
      [0, 1, 1, 0, 0, 0].map(Boolean),
    )
    expect(count(tied, { topP: 0.4 }, { draws: 2000 }).map((drawn) => drawn > 0)).toEqual(
      [0, 1, 1, 0, 0, 0].map(Boolean),
    )
  })

  test('equal logits are drawn equally often', () => {
    const flat = new Float32Array(16).fill(3.5)
    for (const params of [{}, { topK: 16 }, { topP: 0.9999 }, { minP: 0.5 }, { temperature: 0.1 }]) {
      expect(chiSquareDeviation(count(flat, params), new Array(16).fill(1 / 16))).toBeLessThan(AGREES)
    }
  })
})

describe('logits that are not numbers:', () => {
  const PATHS: [string, Partial<NativeSamplerParams>][] = [
    ['greedy', { temperature: 0 }],
    ['all', {}],
    ['top-k', { topK: 3 }],
    ['top-p', { topP: 0.9 }],
    ['min-p', { minP: 0.1 }],
    ['the chain', { topK: 3, topP: 0.9, minP: 0.1, temperature: 0.5 }],
  ]

  test.each(PATHS)('NaN and -Infinity are never drawn: %s', (_, params) => {
    const logits = Float32Array.of(NaN, 1, Number.NEGATIVE_INFINITY, 1.5, NaN, 0.9)
    const counts = count(logits, params, { draws: 3000 })
    expect([counts[0], counts[2], counts[4]]).toEqual([0, 0, 0])
    if (params.temperature !== 0) {
      expect(chiSquareDeviation(counts, probabilities(logits, params))).toBeLessThan(AGREES)
    }
  })

  /** Of a float. */
  const LARGEST = 2 ** 127 * (2 - 2 ** -23)

  test.each(PATHS)('+Infinity is always drawn: %s', (_, params) => {
    const logits = Float32Array.of(1, 2, Number.POSITIVE_INFINITY, 3)
    expect(count(logits, params, { draws: 100 })).toEqual([0, 0, 100, 0])
  })

  test.each(PATHS)('no number at all throws ERR_DECODE, and the sampler still works: %s', (_, params) => {
    const drawing = sampler(3, params)
    const nothing = [
      new Float32Array(3).fill(NaN),
      new Float32Array(3).fill(Number.NEGATIVE_INFINITY),
      Float32Array.of(NaN, Number.NEGATIVE_INFINITY, NaN),
      Float32Array.of(NaN, -LARGEST, NaN), // what llama.cpp itself gives words that are never to be drawn
    ]
    for (const logits of nothing) {
      expect(() => drawing.sample(logits)).toThrow(expect.objectContaining({ code: 'ERR_DECODE' }))
    }
    expect(drawing.sample(Float32Array.of(NaN, NaN, -1))).toBe(2)
  })
})

describe('the repeat penalty', () => {
  test('counts a token once however often it was drawn', () => {
    const logits = Float32Array.from([4, 2.5, -9])
    const penalising = new Sampler(3, { ...GREEDY, repeatPenalty: 1.5, repeatLastN: 10 })
    // 4 / 1.5 = 2.67 stays above 2.5; divided twice it would fall below.
    expect([1, 2, 3, 4].map(() => penalising.sample(logits))).toEqual([0, 0, 0, 0])
  })

  test('covers exactly repeatLastN tokens', () => {
    const logits = Float32Array.from([4, 3, 2, 1])
    for (const repeatLastN of [1, 2, 3]) {
      const penalising = new Sampler(4, { ...GREEDY, repeatPenalty: 1e6, repeatLastN })
      // The best token that is not among the last repeatLastN: the first repeatLastN + 1 in turn.
      const turn = Array.from({ length: 9 }, (_, i) => i % (repeatLastN + 1))
      expect(turn.map(() => penalising.sample(logits))).toEqual(turn)
    }
  })

  test('is off with repeatLastN 0', () => {
    const penalising = new Sampler(2, { ...GREEDY, repeatPenalty: 100, repeatLastN: 0 })
    const logits = Float32Array.of(1, 0.9)
    expect([1, 2, 3].map(() => penalising.sample(logits))).toEqual([0, 0, 0])
  })

  test('counts accepted tokens as sampled', () => {
    const penalising = new Sampler(2, { ...GREEDY, repeatPenalty: 2, repeatLastN: 4 })
    penalising.accept(0)
    expect(penalising.sample(Float32Array.of(1, 0.9))).toBe(1)
  })

  test('looks back on given tokens until drawn ones have taken their places', () => {
    const penalising = new Sampler(4, { ...GREEDY, repeatPenalty: 1e6, repeatLastN: 2 })
    penalising.lookBackOn(Int32Array.of(3, 0, 1))
    const logits = Float32Array.from([4, 3, 2, 1])
    // 0 and 1 are within the window at first, 1 and 2 then, 2 and 0, 0 and 1 ...
    expect([1, 2, 3, 4].map(() => penalising.sample(logits))).toEqual([2, 0, 1, 2])
    expect(() => penalising.lookBackOn(Int32Array.of())).not.toThrow()
  })

  test('draws with the tokens of a prompt in its window as the definition says', () => {
    const prompt = [1, 5, 5, 9, 30]
    const params = { repeatPenalty: 1.4, temperature: 0.8, topK: 30 }
    const counts = new Array<number>(LOGITS.length).fill(0)
    const drawing = sampler(LOGITS.length, { ...params, repeatLastN: prompt.length })
    for (let i = 0; i < DRAWS; i++) {
      drawing.lookBackOn(Int32Array.from(prompt))
      const drawn = drawing.sample(LOGITS)
      counts[drawn] = counts[drawn]! + 1
    }
    expect(chiSquareDeviation(counts, probabilities(LOGITS, params, prompt))).toBeLessThan(AGREES)
  })

  test('makes a negative logit more negative, and leaves 0 alone', () => {
    const negative = new Sampler(2, { ...GREEDY, repeatPenalty: 2, repeatLastN: 4 })
    negative.accept(0)
    expect(negative.sample(Float32Array.of(-1, -1.5))).toBe(1)
    const zero = new Sampler(2, { ...GREEDY, repeatPenalty: 2, repeatLastN: 4 })
    zero.accept(0)
    expect(zero.sample(Float32Array.of(0, -0.1))).toBe(0)
  })

  test('accepts a window of any length', () => {
    const penalising = new Sampler(3, { ...GREEDY, repeatPenalty: 100, repeatLastN: 0xffffffff })
    const logits = Float32Array.of(3, 2, 1)
    expect([1, 2, 3, 4].map(() => penalising.sample(logits))).toEqual([0, 1, 2, 0])
  })
})

describe('the seed:', () => {
  const draw = (seed: number) => {
    const drawing = sampler(40, { seed })
    return Array.from({ length: 200 }, () => drawing.sample(LOGITS))
  }

  test('the same seed repeats the sampled tokens', () => {
    for (const seed of [0, 1, 42, 0xffffffff]) expect(draw(seed)).toEqual(draw(seed))
  })

  test('another seed samples other tokens', () => {
    const runs = [0, 1, 2, 42, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff].map((seed) =>
      draw(seed).join(),
    )
    expect(new Set(runs).size).toBe(runs.length)
  })

  test('the first draws of many seeds follow the distribution too', () => {
    const counts = new Array<number>(40).fill(0)
    for (let seed = 0; seed < 20_000; seed++) {
      const drawn = sampler(40, { seed }).sample(LOGITS)
      counts[drawn] = counts[drawn]! + 1
    }
    expect(chiSquareDeviation(counts, probabilities(LOGITS, {}))).toBeLessThan(AGREES)
  })

  test('samplers do not disturb each other', () => {
    const [one, other] = [sampler(40, { seed: 42 }), sampler(40, { seed: 7 })]
    const drawn = Array.from({ length: 200 }, () => {
      other.sample(LOGITS)
      return one.sample(LOGITS)
    })
    expect(drawn).toEqual(draw(42))
  })
})

describe('arguments of a sampler:', () => {
  const argumentError = expect.objectContaining({ code: 'ERR_ARGUMENT' })
  const anyway = (call: () => unknown) => expect(call).toThrow(argumentError)

  test('the logits given are not changed', () => {
    const logits = Float32Array.from(LOGITS)
    const drawing = sampler(40, { repeatPenalty: 3, repeatLastN: 5, topK: 7, topP: 0.9 })
    for (let i = 0; i < 50; i++) drawing.sample(logits)
    expect(logits).toEqual(LOGITS)
  })

  test('a part of a larger buffer is read at its place', () => {
    const buffer = new Float32Array([9, 9, 0, 5, 1, 9])
    expect(new Sampler(3, GREEDY).sample(buffer.subarray(2, 5))).toBe(1)
  })

  test('logits of another type or length throw', () => {
    const drawing = sampler(4) as unknown as { sample(...values: unknown[]): number }
    const bad = [
      undefined,
      null,
      'text',
      4,
      {},
      [1, 2, 3, 4],
      new Float64Array(4),
      new Int32Array(4),
      new Float32Array(3),
      new Float32Array(5),
      new Float32Array(0),
      new ArrayBuffer(16),
      new DataView(new ArrayBuffer(16)),
    ]
    for (const value of bad) anyway(() => drawing.sample(value))
    anyway(() => drawing.sample())
    const detached = new Float32Array(4)
    structuredClone(detached, { transfer: [detached.buffer] })
    anyway(() => drawing.sample(detached))
  })

  test('a token outside the vocabulary cannot be accepted', () => {
    const drawing = sampler(4, { repeatPenalty: 2, repeatLastN: 4 }) as unknown as {
      accept(token?: unknown): void
    }
    for (const bad of [-1, 4, 1.5, NaN, 2 ** 31, 2 ** 32, '1', null, undefined, {}, 1n]) {
      anyway(() => drawing.accept(bad))
    }
    drawing.accept(3)
  })

  test('tokens outside the vocabulary cannot be looked back on, nor anything but an Int32Array', () => {
    const drawing = sampler(4, { repeatPenalty: 2, repeatLastN: 4 }) as unknown as {
      lookBackOn(tokens?: unknown): void
    }
    for (const bad of [
      Int32Array.of(-1),
      Int32Array.of(0, 4),
      [1],
      1,
      '1',
      null,
      undefined,
      {},
      new Uint8Array(4),
    ]) {
      anyway(() => drawing.lookBackOn(bad))
    }
    drawing.lookBackOn(Int32Array.of(3))
  })

  test.each<[keyof NativeSamplerParams, unknown[]]>([
    ['temperature', [-1, -0.001]],
    ['topK', [-1, 0.5, 2 ** 31]],
    ['topP', [-0.1, 1.1]],
    ['minP', [-0.1, 1.1]],
    ['repeatPenalty', [0, -1]],
    ['repeatLastN', [-1, 0.5, 2 ** 32]],
    ['seed', [-1, 0.5, 2 ** 32]],
  ])('%s out of range or of another type throws', (name, outside) => {
    const wrong = [NaN, Infinity, -Infinity, 1e300, '1', '', null, undefined, true, {}, [], 1n, Symbol('one')]
    for (const value of [...outside, ...wrong]) {
      const params = { ...OFF, [name]: value }
      anyway(() => new Sampler(4, params as NativeSamplerParams))
    }
  })

  test('a wrong vocabulary size or no parameters throw', () => {
    const Loose = Sampler as unknown as new (...values: unknown[]) => unknown
    for (const size of [0, -1, 1.5, NaN, Infinity, '4', undefined, null, 2 ** 31])
      anyway(() => new Loose(size, OFF))
    for (const params of [undefined, null, 3, 'text']) anyway(() => new Loose(4, params))
    anyway(() => new Loose())
  })

  test('methods throw on a foreign receiver', () => {
    const { sample, accept, lookBackOn } = Sampler.prototype as NativeSampler
    const real = sampler(4)
    for (const foreign of [
      {},
      Object.create(real as object),
      Object.create(Sampler.prototype),
      new Map(),
      undefined,
      3,
    ]) {
      expect(() => sample.call(foreign as NativeSampler, LOGITS)).toThrow()
      expect(() => accept.call(foreign as NativeSampler, 1)).toThrow()
      expect(() => lookBackOn.call(foreign as NativeSampler, Int32Array.of(1))).toThrow()
    }
    expect(() => (Sampler as unknown as (size: number, params: object) => void)(4, OFF)).toThrow()
  })

  test('an error in a getter of the parameters is thrown', () => {
    const params = {
      ...OFF,
      get topK(): number {
        throw new Error('mine')
      },
    }
    expect(() => new Sampler(4, params)).toThrow('mine')
  })
})

describe('the presence and the frequency penalty', () => {
  test('count all sampled tokens, however long ago', () => {
    const logits = Float32Array.of(4, 3)
    const once = new Sampler(2, { ...GREEDY, presencePenalty: 1.5 })
    // 4 - 1.5 < 3, then 3 - 1.5 < 2.5: from there on the first is always ahead.
    expect([1, 2, 3, 4].map(() => once.sample(logits))).toEqual([0, 1, 0, 0])
    const each = new Sampler(2, { ...GREEDY, frequencyPenalty: 0.4 })
    expect(Array.from({ length: 8 }, () => each.sample(logits))).toEqual([0, 0, 0, 1, 0, 1, 0, 1])
  })

  test('do not count the tokens of a prompt', () => {
    const drawing = new Sampler(2, { ...GREEDY, presencePenalty: 5, frequencyPenalty: 5 })
    drawing.lookBackOn(Int32Array.of(0, 0, 0))
    expect(drawing.sample(Float32Array.of(4, 3))).toBe(0)
  })

  test('do not change the given logits', () => {
    const logits = Float32Array.of(4, 3, 2)
    const drawing = new Sampler(3, {
      ...GREEDY,
      presencePenalty: 0.1,
      frequencyPenalty: 0.3,
      repeatPenalty: 1.7,
      repeatLastN: 4,
      ...biasOf({ 0: -0.7 }),
    })
    for (let i = 0; i < 20; i++) drawing.sample(logits)
    expect(logits).toEqual(Float32Array.of(4, 3, 2))
  })
})

describe('a logit bias', () => {
  test('moves a token up, or bans it', () => {
    const logits = Float32Array.of(4, 3, 2)
    const draw = (bias: Record<number, number>) =>
      new Sampler(3, { ...GREEDY, ...biasOf(bias) }).sample(logits)
    expect(draw({ 2: 2.5 })).toBe(2)
    expect(draw({ 0: Number.NEGATIVE_INFINITY })).toBe(1)
    expect(draw({ 0: -1.5, 1: 0 })).toBe(1)
  })

  test.each([
    ['a token twice', [1, 1], [0, 0]],
    ['an unknown token', [3], [0]],
    ['too few numbers', [1, 2], [0]],
    ['NaN', [1], [Number.NaN]],
    ['Infinity', [1], [Number.POSITIVE_INFINITY]],
  ])('of %s is refused', (_, tokens, values) => {
    const given = { biasedTokens: Int32Array.from(tokens), biases: Float32Array.from(values) }
    expect(() => new Sampler(3, { ...GREEDY, ...given })).toThrow(/addon: "bias/)
  })
})
