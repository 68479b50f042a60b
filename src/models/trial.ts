import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { ModelError, OutOfMemoryError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { canStart, isEngine } from '../native/own-node.ts'
import { Remembered, Trials } from '../native/trial.ts'
import { TrialChild, type TrialEnd } from '../native/trial-child.ts'
import type { NativeBinding } from '../native/types.ts'
import { identityOf } from '../regular-file.ts'
import { VERSION } from '../version.ts'
import type { GgufHeader, ModelFile } from './gguf/header.ts'
import type { CacheOptions } from './memory.ts'

/** The step that begins once it is loaded. */
const AFTER_LOADING = 'reading its vocabulary'

/** Of a prompt, about: small models get longer ones. */
const MULTIPLICATIONS = 5e8

/**
 * What header checks do not find llama.cpp may answer with `abort()`, a crash or a loop that never ends, in whoever loads the
 * file. So a file that is not known is opened in a child process first, with all that reads what it says: the weights stay
 * mapped, so that they take no memory that the opening after it would not take as well.
 */
const PROGRAM = `async ({ Model, Context, Sampler }, input, watch, step) => {
  const { path, adapters, cache } = JSON.parse(input)
  const refusal = (error) => { if (error.code === undefined) throw error }
  const attempt = (work) => { try { return work() } catch (error) { return refusal(error) } }

  step('loading it')
  const params = { vocabOnly: false, gpuLayers: 0, devices: [], adapters, tensorSplit: [], repack: false }
  const loading = Model.load(path, params)
  watch() // while it loads, on a thread of its own
  const model = await loading.promise.catch(refusal)
  if (!model) return 'refused'
  const { hasEncoder, hasDecoder, isDiffusion, vocabSize } = model.info
  if (hasEncoder || !hasDecoder || isDiffusion) return 'refused'

  step('${AFTER_LOADING}')
  const ids = [0, vocabSize - 1]
  for (const text of ['Hello, world!', ' a\\n\\n  b', '\\u00e9\\u4e16\\ud83d\\ude42 12345', '<|im_start|></s>\\u0000']) {
    for (const parseSpecial of [false, true]) {
      for (const anchor of ['', '\\n']) {
        const marked = { text, cut: '\\ue000', open: '', close: '', begins: true, addSpecial: true, parseSpecial, anchor }
        const found = attempt(() => model.tokenizeMarked(marked)) ?? []
        ids.push(...found.filter((id) => id >= 0 && id < vocabSize).slice(0, 2))
      }
    }
  }
  attempt(() => model.detokenize(Int32Array.from({ length: vocabSize }, (_, id) => id), true))

  step('making a context')
  const contextSize = Math.max(8, Math.min(512, model.info.trainedContextSize))
  const shape = {
    contextSize, sequences: 2, batchSize: contextSize, microBatchSize: contextSize, maxOutputs: 8, threads: 1, batchThreads: 1,
    poll: 0, ...cache, adapterScales: adapters.map(() => 1),
  }
  const context = await Context.create(model, shape).catch(refusal)
  if (!context) return 'refused'

  step('computing with it')
  const sampling = {
    temperature: 0.7, topK: 40, topP: 0.4, minP: 0, repeatPenalty: 1.18, repeatLastN: 64, presencePenalty: 0,
    frequencyPenalty: 0, biasedTokens: new Int32Array(), biases: new Float32Array(), seed: 1,
  }
  const sampler = new Sampler(vocabSize, sampling)
  const count = Math.min(contextSize / 2, Math.max(3, Math.floor(${MULTIPLICATIONS} / 2 / model.info.sizeBytes)))
  const tokens = Int32Array.from({ length: count }, (_, i) => ids[i % ids.length])
  const entry = (sequence, position, tokens) => ({ sequence, position, tokens, sampler })
  if (!(await context.eval([entry(0, 0, tokens), entry(1, 0, tokens)]).catch(refusal))) return 'refused'

  step('keeping what it has computed')
  await context.restore(1, await context.save(0)).catch(refusal)
  await context.remove(1, 0, -1).catch(refusal)
  await context.copy(0, 1).catch(refusal)
  if (context.info.canShift) await context.shift(0, 1, 2).catch(refusal)

  step('going on')
  const { max } = await context.positions(0)
  await context.eval([entry(0, max + 1, tokens.subarray(0, 1))]).catch(refusal)

  step('closing it')
  await context.close()
  model.close()
}`

/** Of the processor's time: many times what an opening takes on a slow machine. */
const LEAST_MS = 5000
const MS_PER_BYTE = 60_000 / 2 ** 30
const MS_PER_TOKEN = 0.02
/** What a context of a few tokens takes, generously. */
const LEAST_BYTES = 2 ** 30

/** SHA-256 of models that come with the library. */
const OWN_MODELS = ['d21ab2ee7ef6b88c05d71a327fae3fe3cfa6cb00992223ae6d110a9f553a50f0']
const LARGEST_OWN = 4 * 2 ** 20

const ROLE = 'opening'
const trials = new Trials(ROLE, 'opened', 'a model')
/** Files that have been opened, with whatever options. */
const openedFiles = new Remembered('opened-files')

/** With which it is tried: graphs and caches are others with these. */
type TrialOptions = CacheOptions & {
  readonly logger: Logger
  /** The child, where it has started. */
  readonly early?: TrialChild | undefined
}

/** What is known of a file that is being tried. `opens` must be waited for, or caught. */
export type OpeningTrial = {
  /** Its weights can be loaded: while they are, the child goes on. */
  readonly loads: Promise<void>
  /** And it can be computed with. */
  readonly opens: Promise<void>
}

const KNOWN: OpeningTrial = { loads: Promise.resolve(), opens: Promise.resolve() }

/** Of a file that nobody has opened yet, the child can start while its header is read. */
export async function startEarly(binding: NativeBinding, path: string): Promise<TrialChild | undefined> {
  if (isEngine() || !canStart(ROLE)) return undefined
  try {
    const identity = await identityOf(path, (why) => new Error(why))
    if (await openedFiles.has(keyOf(binding, identity))) return undefined
    if ((await stat(path)).size <= LARGEST_OWN) return undefined // it may be our own
    return new TrialChild(ROLE, binding)
  } catch {
    return undefined // whoever opens it is told
  }
}

const keyOf = ({ llamaVersion, systemInfo }: NativeBinding, identity: string) =>
  hash(JSON.stringify([VERSION, llamaVersion, systemInfo, identity]))

/**
 * Tries this file with these adapters, unless it is known to open, which is remembered on disk, or cannot be tried here, which
 * is logged. `loads` and `opens` reject with
 * - {@link ModelError} `ERR_MODEL_DAMAGED` where the child died of it,
 * - {@link OutOfMemoryError} `ERR_MEMORY` where the system has killed the child.
 */
export function tryOpening(
  binding: NativeBinding,
  header: GgufHeader,
  adapters: readonly ModelFile[],
  options: TrialOptions,
  signal: AbortSignal,
): OpeningTrial {
  if (isEngine()) return KNOWN // it may die of the file itself: that is what it is for
  let pastLoading = () => {}
  const loaded = new Promise<void>((resolve) => {
    pastLoading = resolve
  })
  const opens = pass(binding, header, adapters, options, signal, (step) => {
    if (step === AFTER_LOADING) pastLoading()
  })
  opens.catch(() => {}) // who loads meanwhile hears of it later
  return { loads: Promise.race([opens, loaded]), opens }
}

async function pass(
  binding: NativeBinding,
  { path, files, fileBytes, tokenCount }: GgufHeader,
  adapters: readonly ModelFile[],
  { keyType, valueType, flashAttention, logger, early }: TrialOptions,
  signal: AbortSignal,
  onStep: (step: string) => void,
): Promise<void> {
  const all = [...files, ...adapters]
  const cache = { keyType, valueType, flashAttention }
  const { llamaVersion, systemInfo } = binding
  const known = [VERSION, llamaVersion, systemInfo, cache, all.map(({ identity }) => identity)]
  const attempt = async (given: AbortSignal) => {
    if (adapters.length === 0 && (await isOwn(path, fileBytes))) return true
    logger.debug(`${path} is not known yet: it is opened in a child process first`)
    const limitMs = Math.ceil(LEAST_MS + fileBytes * MS_PER_BYTE + tokenCount * MS_PER_TOKEN)
    const trial = {
      program: PROGRAM,
      input: JSON.stringify({ path, adapters: adapters.map((adapter) => adapter.path), cache }),
      limitMs,
      limitBytes: LEAST_BYTES + 2 * all.reduce((sum, { bytes }) => sum + bytes, 0),
      giveUpMs: 60_000 + 10 * limitMs,
      signal: given,
      onStep,
    } as const
    const child = early?.isFree ? early : new TrialChild(ROLE, binding)
    const end = await child.try(trial)
    if (end.end !== 'well') throw failure(path, end, trial)
    if (end.word !== undefined) return false
    await openedFiles.add(keyOf(binding, files[0]!.identity)).catch(() => {}) // it only saves time
    return true
  }
  await trials.pass(hash(JSON.stringify(known)), attempt, logger, signal)
}

type Limits = { readonly limitMs: number; readonly limitBytes: number }

function failure(
  path: string,
  { end, status, step = 'starting', lastWords }: TrialEnd,
  { limitMs, limitBytes }: Limits,
): Error {
  if (end === 'killed')
    return new OutOfMemoryError(
      `${path} was opened in a child process first, which the system has killed while ${step}: memory has run out, it seems.`,
    )
  const said = /^.*(?:GGML_ASSERT|terminate called|what\(\)|fatal|error).*$/im.exec(lastWords)?.[0]
  const how = {
    crash: `crashes with ${status}${said === undefined ? '' : ` (${said.trim().slice(0, 300)})`}`,
    time: `takes more than ${Math.ceil(limitMs / 1000)} s`,
    memory: `takes more than ${Math.round(limitBytes / 2 ** 20)} MiB of memory`,
    well: '',
  }[end]
  const message = `${path} is damaged, or of a kind that llama.cpp does not know: ${step} ${how}. It was tried in a child process, and nothing else was harmed.`
  return new ModelError('ERR_MODEL_DAMAGED', message, path)
}

async function isOwn(path: string, bytes: number): Promise<boolean> {
  return bytes <= LARGEST_OWN && OWN_MODELS.includes(hash(await readFile(path)))
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
