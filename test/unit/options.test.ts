import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { isGPT4AllError } from '../../src/core/errors.ts'
import { DEFAULTS } from '../../src/options/defaults.ts'
import { type GenerateOptions, resolveGenerateOptions } from '../../src/options/generate.ts'
import { type ModelOptions, resolveModelOptions } from '../../src/options/model.ts'

const GENERATE_NUMBERS = [
  'maxTokens',
  'nPredict',
  'temp',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'repeatLastN',
  'presencePenalty',
  'frequencyPenalty',
  'logprobs',
  'nBatch',
  'seed',
] as const
const MODEL_NUMBERS = ['nThreads', 'nThreadsBatch', 'nCtx', 'ngl'] as const

const NUMBERS = [NaN, -1, -0, 0, 0.5, 1, 1e-9, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, Infinity, -Infinity]
const OTHERS = [
  '1',
  '',
  'text',
  null,
  true,
  {},
  [],
  [1],
  1n,
  Symbol('one'),
  () => 1,
  new Number(1),
  new Date(0),
]

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

function outcome(resolve: () => unknown): unknown {
  try {
    return resolve()
  } catch (error) {
    return error
  }
}

function expectNamedError(error: unknown, option: string): void {
  expect(isGPT4AllError(error)).toBe(true)
  expect(error).toMatchObject({ code: 'ERR_OPTION', option })
  expect((error as Error).message).toContain(`"${option}"`)
}

describe('every numeric option', () => {
  test.each(GENERATE_NUMBERS)(
    '%s is resolved to a finite value in its range, or refused by name',
    (option) => {
      for (const value of NUMBERS) {
        const result = outcome(() => resolveGenerateOptions({ [option]: value }))
        if (result instanceof Error) {
          expect(result).toBeInstanceOf(RangeError)
          expectNamedError(result, option)
          continue
        }
        const {
          sampling,
          maxTokens,
          nBatch,
          logprobs = 0,
        } = result as ReturnType<typeof resolveGenerateOptions>
        const { biasedTokens, biases, presencePenalty, frequencyPenalty, ...others } = sampling
        for (const number of Object.values(others)) expect(Number.isFinite(number) && number >= 0).toBe(true)
        for (const penalty of [presencePenalty, frequencyPenalty])
          expect(Number.isFinite(Math.fround(penalty))).toBe(true)
        expect([biasedTokens, biases]).toEqual([new Int32Array(), new Float32Array()])
        expect(Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= 100).toBe(true)
        expect(sampling.repeatPenalty).toBeGreaterThan(0)
        expect(sampling.topK).toBeLessThan(2 ** 31)
        expect(sampling.repeatLastN).toBeLessThan(2 ** 31)
        expect(sampling.seed).toBeLessThan(2 ** 32)
        expect(maxTokens).toBeGreaterThanOrEqual(0)
        expect(Number.isInteger(nBatch) && nBatch >= 1).toBe(true)
      }
    },
  )

  test.each(MODEL_NUMBERS)('%s is resolved to an integer in its range, or refused by name', (option) => {
    for (const value of NUMBERS) {
      const result = outcome(() => resolveModelOptions({ [option]: value, logger: quiet }))
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(RangeError)
        expectNamedError(result, option)
      } else {
        const number = (result as ReturnType<typeof resolveModelOptions>)[option]
        expect(Number.isInteger(number) && number >= 0 && number < 2 ** 31).toBe(true)
      }
    }
  })

  test.each([...GENERATE_NUMBERS, ...MODEL_NUMBERS])('%s of another type is a TypeError', (option) => {
    const isModel = (MODEL_NUMBERS as readonly string[]).includes(option)
    for (const value of OTHERS) {
      const options = { [option]: value } as object
      const error = outcome(() => (isModel ? resolveModelOptions(options) : resolveGenerateOptions(options)))
      expect(error).toBeInstanceOf(TypeError)
      expectNamedError(error, option)
    }
  })

  test.each<[keyof GenerateOptions, number[], number[]]>([
    ['maxTokens', [0, 1, Infinity], [-1, 0.5, NaN]],
    ['temp', [0, 0.5, 1, 100], [-0.1, NaN, Infinity]],
    ['topK', [0, 1, 1e9], [-1, 0.5]],
    ['topP', [0, 0.5, 1], [-0.1, 1.1]],
    ['minP', [0, 0.5, 1], [-0.1, 1.1]],
    ['repeatPenalty', [0.5, 1, 2], [0, -1]],
    ['repeatLastN', [0, 64], [-1, 1.5]],
    ['nBatch', [1, 8, 1e6], [0, -1]],
    ['seed', [0, 4294967295], [-1, 4294967296, 0.5]],
  ])('%s accepts %j and not %j', (option, good, bad) => {
    for (const value of good) expect(() => resolveGenerateOptions({ [option]: value })).not.toThrow()
    for (const value of bad) expect(() => resolveGenerateOptions({ [option]: value })).toThrow(RangeError)
  })
})

describe('every other option', () => {
  test.each<[keyof GenerateOptions, unknown[], unknown[]]>([
    ['stop', ['x', ['x', 'y'], []], ['', [''], ['x', 3], 3, null, {}]],
    ['callback', [() => true], ['x', null, {}]],
    ['signal', [new AbortController().signal], [{}, 'x', null, new AbortController()]],
    ['streaming', [true, false], [1, 'true', null]],
    ['penalizePrompt', [true, false], [1, 'true', null]],
  ])('%s of the wrong kind is refused by name', (option, good, bad) => {
    for (const value of good) expect(() => resolveGenerateOptions({ [option]: value })).not.toThrow()
    for (const value of bad)
      expectNamedError(
        outcome(() => resolveGenerateOptions({ [option]: value })),
        option,
      )
  })

  test('logitBias of a wrong token, or with a wrong number, is refused by what is wrong', () => {
    const message = (logitBias: unknown) =>
      outcome(() => resolveGenerateOptions({ logitBias } as GenerateOptions)) as Error
    for (const token of ['0012', 'x', '-1', '1.5', '2147483648', ''])
      expect(message({ 3: 1, [token]: 1 }).message).toContain(`received ${JSON.stringify(token)} (string)`)
    expect(message({ 3: 1, 7: 'x' }).message).toContain('by token 7')
  })

  test('stop accepts any number of strings', () => {
    const stop = Array.from({ length: 10_000 }, (_, i) => `stop ${i}`)
    expect(resolveGenerateOptions({ stop }).stop).toEqual(stop)
  })

  test.each<[keyof ModelOptions, unknown[], unknown[]]>([
    ['modelPath', ['folder'], ['', 3, null]],
    ['modelType', ['llama'], ['', 3, null]],
    ['allowDownload', [true, false], [1, 'yes', null]],
    ['device', ['cpu', 'gpu', 'NVIDIA', ['cuda', 'cpu'], []], ['', ' ', [''], ['cpu', 3], 3, null, {}]],
    ['strictDevice', [true, false], [1, 'yes', null]],
    ['tryFirst', [true, false], [1, 'yes', null]],
    ['verbose', [false], [1, null]],
    ['logger', [quiet, console], [{}, null, 'x', { debug() {} }]],
    ['onProgress', [() => {}], [3, null, {}]],
    ['signal', [new AbortController().signal], [{}, 'x', null, new AbortController()]],
  ])('%s of the wrong kind is refused by name', (option, good, bad) => {
    for (const value of good) expect(() => resolveModelOptions({ [option]: value })).not.toThrow()
    for (const value of bad)
      expectNamedError(
        outcome(() => resolveModelOptions({ [option]: value })),
        option,
      )
  })

  test('names of devices are trimmed', () => {
    expect(resolveModelOptions({ device: ' cpu ' }).device).toEqual(['cpu'])
    expect(resolveModelOptions({ device: ['cuda ', '\tcpu'] }).device).toEqual(['cuda', 'cpu'])
  })

  test('undefined counts as missing', () => {
    const undefinedOnes = Object.fromEntries(
      [...GENERATE_NUMBERS, 'stop', 'callback'].map((name) => [name, undefined]),
    )
    const { sampling, ...rest } = resolveGenerateOptions(undefinedOnes)
    const { sampling: plain, ...plainRest } = resolveGenerateOptions()
    expect(rest).toEqual(plainRest)
    expect({ ...sampling, seed: 0 }).toEqual({ ...plain, seed: 0 })
  })

  test('an unknown one is refused, with a suggestion for another spelling', () => {
    expectNamedError(
      outcome(() => resolveGenerateOptions({ tempo: 1 } as object)),
      'tempo',
    )
    expect(() => resolveGenerateOptions({ max_tokens: 1 } as object)).toThrow(/Did you mean "maxTokens"/)
    expect(() => resolveModelOptions({ nctx: 1 } as object)).toThrow(/Did you mean "nCtx"/)
    expect(() => resolveGenerateOptions({ temperature: 1 } as object)).toThrow(/Did you mean "temp"/)
    expect(() => resolveModelOptions({ contextSize: 1 } as object)).toThrow(/Did you mean "nCtx"/)
    expect(() => resolveGenerateOptions({ contextSize: 1 } as object)).toThrow(/Known options/)
    for (const name of ['prefill', 'enableThinking', 'systemPrompt', 'messages', 'chatTemplate'])
      expect(() => resolveGenerateOptions({ [name]: 1 } as object)).toThrow(/option of (a )?chat ?session/i)
  })

  test('options must be an object', () => {
    for (const value of [null, 3, 'text', [], true]) {
      expectNamedError(
        outcome(() => resolveGenerateOptions(value as object)),
        'options',
      )
      expectNamedError(
        outcome(() => resolveModelOptions(value as object)),
        'options',
      )
    }
  })
})

describe('the defaults of options', () => {
  test("are the Python package's", () => {
    const { sampling, maxTokens } = resolveGenerateOptions()
    const { seed, ...numbers } = sampling
    expect(numbers).toEqual({
      temperature: 0.7,
      topK: 40,
      topP: 0.4,
      minP: 0,
      repeatPenalty: 1.18,
      repeatLastN: 64,
      presencePenalty: 0,
      frequencyPenalty: 0,
      biasedTokens: new Int32Array(),
      biases: new Float32Array(),
    })
    expect(maxTokens).toBe(200)
    expect(resolveModelOptions()).toMatchObject({ nCtx: 2048, ngl: 100 })
    expect(DEFAULTS.nCtx).toBe(2048)
    expect(Number.isInteger(seed)).toBe(true)
  })

  test('the default seed differs each time', () => {
    expect(
      new Set(Array.from({ length: 20 }, () => resolveGenerateOptions().sampling.seed)).size,
    ).toBeGreaterThan(18)
  })

  test('nPredict overrides maxTokens', () => {
    expect(resolveGenerateOptions({ nPredict: 5, maxTokens: 9 }).maxTokens).toBe(5)
    expect(resolveGenerateOptions({ nPredict: 0, maxTokens: 9 }).maxTokens).toBe(0)
  })

  test('more threads than cores are clamped with a warning', () => {
    const warnings: string[] = []
    const logger = { ...quiet, warn: (line: string) => void warnings.push(line) }
    expect(resolveModelOptions({ nThreads: 9999, logger }).nThreads).toBe(availableParallelism())
    expect(warnings).toHaveLength(1)
    expect(resolveModelOptions({ nThreads: 1, logger }).nThreads).toBe(1)
    expect(warnings).toHaveLength(1)
    expect(resolveModelOptions({ nThreadsBatch: 9999, logger }).nThreadsBatch).toBe(availableParallelism())
    expect(warnings[1]).toMatch(/^nThreadsBatch 9999/)
  })

  test('nThreadsBatch equals nThreads by default, and setting either fixes both', () => {
    const cores = availableParallelism()
    const threads = (options: ModelOptions) => {
      const { nThreads, nThreadsBatch, fixedThreads } = resolveModelOptions(options)
      return { nThreads, nThreadsBatch, fixedThreads }
    }
    expect(threads({})).toEqual({ nThreads: cores, nThreadsBatch: cores, fixedThreads: false })
    expect(threads({ nThreads: 1 })).toEqual({ nThreads: 1, nThreadsBatch: 1, fixedThreads: true })
    expect(threads({ nThreadsBatch: 1 })).toEqual({ nThreads: cores, nThreadsBatch: 1, fixedThreads: true })
    expect(threads({ nThreads: 1, nThreadsBatch: cores })).toMatchObject({ nThreadsBatch: cores })
  })
})

test.each([
  ['grammar', /Not here: .*grammar or a schema/],
  ['jsonSchema', /Not here: .*grammar or a schema/],
  ['response_format', /Not here: .*grammar or a schema/],
  ['tools', /Not here: .*tools/],
  ['gpu', /Not here: .*"device"/],
])('the option %s of other libraries gets a sentence, not a list', (name, sentence) => {
  for (const resolve of [resolveGenerateOptions, resolveModelOptions])
    expect(() => resolve({ [name]: true } as never)).toThrow(sentence)
})
