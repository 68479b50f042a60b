import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { resolveThreadCount } from '../../src/options/compute.ts'
import { resolveEmbedderOptions, resolveEmbedOptions, resolveRankOptions } from '../../src/options/embed.ts'
import { resolveGenerateOptions } from '../../src/options/generate.ts'
import { resolveEngineOptions } from '../../src/options/isolation.ts'
import { resolveModelOptions, resolveTokenizeOptions } from '../../src/options/model.ts'

// What each option is resolved to, and what its error says.

const silent = { debug() {}, info() {}, warn() {}, error() {} }
type Given = Readonly<Record<string, unknown>>
const model = (options: Given) => resolveModelOptions({ logger: silent, ...options } as never)
const embedder = (options: Given) => resolveEmbedderOptions({ logger: silent, ...options } as never)
const generate = (options: Given) => resolveGenerateOptions(options as never)
const embed = (options: Given) => resolveEmbedOptions(options as never)
const rank = (options: Given) => resolveRankOptions(options as never)
const engine = (options: Given) => resolveEngineOptions(options as never)
const tokenize = (options: Given) => resolveTokenizeOptions(options as never)

const CORES = Math.min(availableParallelism(), 512)
const SERVER = '127.0.0.1:50052'
const servers = Array.from({ length: 17 }, (_, i) => `host:${i + 1}`)

describe('options are resolved:', () => {
  test.each<[string, (options: Given) => object, Given, Given]>([
    ['threads', model, {}, { nThreads: CORES, nThreadsBatch: CORES, fixedThreads: false }],
    ['threads', model, { nThreads: 1 }, { nThreads: 1, nThreadsBatch: 1, fixedThreads: true }],
    ['threads', model, { nThreadsBatch: 1 }, { nThreads: CORES, nThreadsBatch: 1, fixedThreads: true }],
    ['threads', model, { nThreads: CORES }, { nThreads: CORES }],
    ['kvType', model, {}, { keyType: 'f16', valueType: 'f16' }],
    ['kvType', model, { kvType: 'q8_0' }, { keyType: 'q8_0', valueType: 'q8_0' }],
    ['kvType', model, { kvType: { k: 'q4_0' } }, { keyType: 'q4_0', valueType: 'f16' }],
    [
      'kvType',
      model,
      { kvType: { k: 'q8_0' }, flashAttention: false },
      { keyType: 'q8_0', valueType: 'f16' },
    ],
    ['kvType', model, { kvType: 'q8_0', flashAttention: true }, { valueType: 'q8_0', flashAttention: 'on' }],
    ['flashAttention', model, {}, { flashAttention: 'auto' }],
    ['flashAttention', model, { flashAttention: 'auto' }, { flashAttention: 'auto' }],
    ['flashAttention', model, { flashAttention: false }, { flashAttention: 'off' }],
    ['lora', model, {}, { lora: [] }],
    ['lora', model, { lora: [{ path: 'a.gguf' }] }, { lora: [{ path: 'a.gguf', scale: 1 }] }],
    ['rpcServers', model, {}, { rpcServers: [], isolated: undefined }],
    ['rpcServers', model, { rpcServers: [SERVER] }, { rpcServers: [SERVER], isolated: {} }],
    ['rpcServers', model, { rpcServers: servers.slice(1) }, { rpcServers: servers.slice(1) }],
    ['rpcServers', model, { rpcServers: ['a:1', 'b:65535'] }, { rpcServers: ['a:1', 'b:65535'] }],
    ['isolated', model, { isolated: false }, { isolated: undefined }],
    ['isolated', model, { isolated: true }, { isolated: {} }],
    ['isolated', model, { isolated: { maxRestarts: 1 } }, { isolated: { maxRestarts: 1 } }],
    ['tensorSplit', model, {}, { tensorSplit: [] }],
    ['tensorSplit', model, { tensorSplit: [0, 2.5] }, { tensorSplit: [0, 2.5] }],
    ['deterministic', model, { deterministic: true, parallel: 1 }, { deterministic: true, parallel: 1 }],
    ['parallel', model, { parallel: 2 }, { deterministic: false, parallel: 2 }],
    ['maxQueue', model, { maxQueue: Number.POSITIVE_INFINITY }, { maxQueue: Number.POSITIVE_INFINITY }],
    ['tryFirst', model, {}, { tryFirst: true, allowDownload: true, strictDevice: false, verbose: false }],
    ['pooling', embedder, {}, { pooling: undefined }],
    ['pooling', embedder, { pooling: 'last' }, { pooling: 'last' }],
    [
      'embed()',
      embed,
      {},
      { prefix: undefined, dimensionality: undefined, longTextMode: 'mean', atlas: false },
    ],
    ['prefix', embed, { prefix: '' }, { prefix: '' }],
    ['dimensionality', embed, { dimensionality: 1 }, { dimensionality: 1 }],
    ['longTextMode', embed, { longTextMode: 'truncate' }, { longTextMode: 'truncate' }],
    ['longTextMode', embed, { longTextMode: 'error' }, { longTextMode: 'error' }],
    ['rank()', rank, {}, { topN: undefined, longTextMode: 'truncate' }],
    ['topN', rank, { topN: 1 }, { topN: 1 }],
    ['an engine', engine, {}, { maxRestarts: 5, restartWindow: 60_000, env: {} }],
    ['env', engine, { env: { A: '', b: '1' } }, { env: { A: '', b: '1' } }],
    ['tokenize()', tokenize, {}, { addSpecial: false, parseSpecial: false, isContinuation: false }],
    ['stop', generate, {}, { stop: [] }],
    ['stop', generate, { stop: '\u{1f600}' }, { stop: ['\u{1f600}'] }],
  ])('%s %#', (_, resolve, given, expected) => {
    expect(resolve(given)).toMatchObject(expected)
  })

  test('a bias for no token, some, and one that bans', () => {
    expect(generate({}).sampling).toMatchObject({
      biasedTokens: new Int32Array(),
      biases: new Float32Array(),
    })
    const { sampling } = generate({ logitBias: { 0: 1, 2147483647: Number.NEGATIVE_INFINITY } })
    expect(sampling.biasedTokens).toEqual(Int32Array.of(0, 2147483647))
    expect(sampling.biases).toEqual(Float32Array.of(1, Number.NEGATIVE_INFINITY))
  })

  test('a count of threads, and none', () => {
    expect(resolveThreadCount(1, silent)).toEqual({ nThreads: 1, nThreadsBatch: 1, fixedThreads: true })
    const all = { nThreads: CORES, nThreadsBatch: CORES, fixedThreads: false }
    expect(resolveThreadCount(undefined, silent)).toEqual(all)
    const warned: string[] = []
    const loud = { ...silent, warn: (line: string) => void warned.push(line) }
    expect(resolveThreadCount(CORES, loud).fixedThreads).toBe(true)
    expect(warned).toEqual([])
    expect(resolveThreadCount(CORES + 1, loud).nThreads).toBe(CORES)
    expect(warned).toEqual([`count ${CORES + 1} is more than the ${CORES} usable cores; using ${CORES}`])
  })
})

describe('options are refused, and the error says what is expected:', () => {
  const FORMATS = 'one of f16, bf16, f32, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl'
  const cases: [(options: Given) => object, Given, string][] = [
    [model, { modelType: 1 }, 'Expected a non-empty string for "modelType"'],
    [model, { modelPath: '' }, 'Expected a non-empty string for "modelPath"'],
    [model, { verbose: 1 }, 'Expected true or false for "verbose"'],
    [model, { onProgress: 1 }, 'Expected a function for "onProgress"'],
    [model, { signal: {} }, 'Expected an AbortSignal for "signal"'],
    [model, { nCtx: 7 }, 'Expected an integer from 8 to 16777216 for "nCtx"'],
    [model, { maxQueue: -1 }, 'Expected an integer of at least 0, or Infinity, for "maxQueue"'],
    [model, { kvType: 'q9' }, FORMATS],
    [model, { kvType: 5 }, FORMATS],
    [model, { kvType: { v: 'q9' } }, '"kvType.v"'],
    [model, { kvType: null }, FORMATS],
    [model, { kvType: 'q8_0', flashAttention: false }, 'values of f16, bf16 or f32 without flashAttention'],
    [model, { flashAttention: 'on' }, "Expected true, false or 'auto' for"],
    [model, { lora: { path: 'a' } }, 'Expected an array of { path, scale } for "lora"'],
    [model, { lora: [{}] }, 'Expected a non-empty string for "lora[0].path"'],
    [model, { lora: [null] }, 'Expected an object for "lora[0]"'],
    [model, { lora: [{ path: 'a', scale: 'b' }] }, 'Expected a finite number for "lora[0].scale"'],
    [model, { rpcServers: SERVER }, 'Expected an array of at most 16 host:port for "rpcServers"'],
    [model, { rpcServers: servers }, 'Expected an array of at most 16 host:port for "rpcServers"'],
    [model, { rpcServers: ['a:1', 'a:1'] }, 'Expected no server twice for "rpcServers[1]"'],
    [model, { rpcServers: ['a:0'] }, 'host:port of a ggml-rpc-server'],
    [model, { rpcServers: ['a:65536'] }, 'a port from 1 to 65535'],
    [model, { rpcServers: ['a'] }, '"rpcServers[0]"'],
    [model, { rpcServers: [5] }, '"rpcServers[0]"'],
    [model, { rpcServers: ['a b:1'] }, '"rpcServers[0]"'],
    [
      model,
      { rpcServers: [SERVER], isolated: false },
      'Expected true or no value with rpcServers for "isolated"',
    ],
    [model, { isolated: 1 }, 'Expected true, false, options or an IsolatedEngine for "isolated"'],
    [model, { isolated: null }, '"isolated"'],
    [model, { isolated: [] }, '"isolated"'],
    ...[[], [0, 0], [-1, 2], ['1'], new Array(17).fill(1), 1].map(
      (tensorSplit): [(options: Given) => object, Given, string] => [
        model,
        { tensorSplit },
        'Expected an array of 1 to 16 numbers of 0 or more, not all 0 for "tensorSplit"',
      ],
    ),
    [model, { device: ' ' }, 'Expected a non-empty string or an array of them for "device"'],
    [
      model,
      { deterministic: true, parallel: 2 },
      'Expected 1 or no value with deterministic: true for "parallel"',
    ],
    [model, { temp: 1 }, 'Unknown option "temp". It is an option of generate().'],
    [embedder, { pooling: 'rank' }, 'Expected "mean", "cls" or "last" for "pooling"'],
    [embedder, { parallel: 2 }, 'It is an option of GPT4All: it has no use here.'],
    [embed, { prefix: 1 }, 'Expected a string for "prefix"'],
    [embed, { dimensionality: 0 }, 'Dimensionality must be undefined or a positive integer, got 0'],
    [embed, { dimensionality: 2 ** 31 }, 'Dimensionality must be undefined or a positive integer'],
    [embed, { dimensionality: 1.5 }, 'got 1.5'],
    [
      embed,
      { longTextMode: 'cut' },
      "Long text mode must be one of 'mean', 'truncate' or 'error', got 'cut'",
    ],
    [embed, { dimensions: 3 }, 'It is called "dimensionality" here.'],
    [rank, { topN: 0 }, 'Expected an integer of at least 1 for "topN"'],
    [rank, { longTextMode: 'mean' }, 'Expected "truncate" or "error" for "longTextMode"'],
    [engine, { maxRestarts: -1 }, '"maxRestarts"'],
    [engine, { restartWindow: 0 }, 'Expected a finite number from 1 to 1099511627776 for "restartWindow"'],
    [engine, { env: { '': 'a' } }, 'Expected an object of strings by variable name for "env"'],
    [engine, { env: { 'a=b': 'c' } }, 'Expected an object of strings by variable name for "env"'],
    [engine, { env: { a: 1 } }, 'Expected an object of strings by variable name for "env"'],
    [engine, { env: { a: '\0' } }, 'Expected an object of strings by variable name for "env"'],
    [engine, { env: { 'a\0': 'b' } }, 'Expected an object of strings by variable name for "env"'],
    [engine, { env: 'a' }, 'Expected an object for "env"'],
    [generate, { temp: -1 }, 'Expected a finite number of at least 0 for "temp"'],
    [generate, { topP: 2 }, 'Expected a finite number from 0 to 1 for "topP"'],
    [generate, { presencePenalty: Number.NaN }, 'Expected a finite number for "presencePenalty"'],
    [generate, { logitBias: { '01': 1 } }, 'Expected token ids such as 0 or 42 as names for "logitBias"'],
    [generate, { logitBias: { 2147483648: 1 } }, 'token ids such as 0 or 42'],
    [generate, { logitBias: { 1: Number.POSITIVE_INFINITY } }, 'a number (or -Infinity) by token 1'],
    [generate, { logitBias: { 1: -3.5e38 } }, 'a number (or -Infinity) by token 1'],
    [generate, { logitBias: { 1: '1' } }, 'a number (or -Infinity) by token 1'],
    [generate, { logitBias: 1 }, 'Expected an object for "logitBias"'],
    [
      generate,
      { stop: ['a', ''] },
      'Expected a non-empty, well-formed string or an array of them for "stop"',
    ],
    [generate, { stop: '\ud800' }, 'Expected a non-empty, well-formed string or an array of them for "stop"'],
    [generate, { systemPrompt: 'a' }, 'It is an option of chatSession() and withChatSession().'],
    [generate, { tools: [] }, 'Not here: models cannot call tools yet.'],
    [generate, { n_predict: 1 }, 'Did you mean "nPredict"?'],
    [tokenize, { addSpecial: true, isContinuation: true }, 'Expected false together with "addSpecial" for'],
  ]
  test.each(cases.map(([resolve, given, message]) => ({ resolve, given, message })))(
    '$message',
    ({ resolve, given, message }) => {
      expect(() => resolve(given)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
      expect(() => resolve(given)).toThrow(message)
    },
  )
})
