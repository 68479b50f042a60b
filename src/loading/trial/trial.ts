import { createHash } from 'node:crypto'
import { deferred } from '../../core/async.ts'
import { ModelError, OutOfMemoryError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { lookAt } from '../../core/regular-file.ts'
import { changed, openFile } from '../../models/gguf/bytes.ts'
import type { GgufHeader, ModelFile } from '../../models/gguf/header.ts'
import { canStart, isEngine } from '../../native/child/node.ts'
import type { TrialChild, TrialEnd } from '../../native/child/trial-child.ts'
import { PassedKeys, Trials } from '../../native/child/trials.ts'
import type { NativeBinding, Pooling } from '../../native/contract.ts'
import { HOW_TO_CHECK } from '../../native/failures.ts'
import { VERSION } from '../../native/package.ts'
import type { CacheOptions } from '../../options/compute.ts'
import { withPartLinks } from './held-files.ts'
import { CHANGED, LOADING, MAKING_CONTEXT, NO_NUMBERS, type OpeningInput } from './opening.ts'

/** Limits of processor time: many times what an opening takes on a slow machine. */
const LEAST_MS = 5000
const MS_PER_BYTE = 60_000 / 2 ** 30
const MS_PER_TOKEN = 0.02
/** More memory than a context of a few tokens takes. */
const LEAST_BYTES = 2 ** 30

/** SHA-256 of the models that come with the library. */
const OWN_MODELS = ['d21ab2ee7ef6b88c05d71a327fae3fe3cfa6cb00992223ae6d110a9f553a50f0']
const LARGEST_OWN = 4 * 2 ** 20

const ROLE = 'opening'
const trials = new Trials(ROLE, 'opened', 'a model')
/** Files that have been checked and opened, whatever the options. */
const openedFiles = new PassedKeys('opened-files')

/** The options that matter to a trial: graphs and caches depend on them. */
type TrialOptions = CacheOptions & {
  readonly logger: Logger
  /** The pooling, where the model is to make embeddings. */
  readonly pooling?: Pooling | 'file' | undefined
  /** What is known of the file already. */
  readonly known?: Recollection | undefined
}

/** How far a file's trial has come. */
export type OpeningTrial = {
  /**
   * Calls `hear` with the stages of loading (see `NativeModelLoad`) that the child has passed: now, and after
   * each stage.
   */
  readonly eachStage: (hear: (stages: number) => void) => void
  /** Resolves once the weights are known to load. */
  readonly loads: Promise<void>
  /** Resolves once a context is known to be possible, while the child goes on. */
  readonly makesContexts: Promise<void>
  /** Resolves once computing is known to work, too. */
  readonly opens: Promise<void>
}

const LOADED = LOADING.length

/** What is known of a file before its header is read. */
export type Recollection = {
  /** The file's identity, where this version has checked and opened it before. */
  readonly passed?: string
  /** The child process that will try it otherwise. */
  readonly child?: TrialChild
}

/**
 * Looks whether the file has been opened before; starts the child if it has not, while its header is read.
 */
export async function recall(binding: NativeBinding, path: string): Promise<Recollection> {
  try {
    const { bytes, identity } = await lookAt(path, (why) => new Error(why))
    if (await openedFiles.has(keyOf(identity))) return { passed: identity }
    if (bytes <= LARGEST_OWN || isEngine() || !canStart(ROLE)) return {} // a small one may be our own
    return { child: await startChild(binding) }
  } catch {
    return {} // opening the file reports it
  }
}

/** The code that starts the child is loaded only with the first file that is tried: few are. */
async function startChild(binding: NativeBinding): Promise<TrialChild> {
  const { TrialChild } = await import('../../native/child/trial-child.ts')
  return new TrialChild(ROLE, 'trial', binding)
}

const keyOf = (identity: string) => `${VERSION} ${identity}`.replaceAll(' ', '-')

/**
 * Tries this file with these adapters, unless it is known to open, which is remembered on disk, or cannot be
 * tried here, which is logged. There is no trial in an isolated engine, which may itself crash on the file.
 * The promises reject with
 * - {@link ModelError} `ERR_MODEL_DAMAGED` where the child crashed on it, or its logits are not numbers,
 *   `ERR_MODEL_UNREADABLE` where the file has changed,
 * - {@link OutOfMemoryError} `ERR_MEMORY` where the system has killed the child.
 */
export function tryOpening(
  binding: NativeBinding,
  header: GgufHeader,
  adapters: readonly ModelFile[],
  options: TrialOptions,
  signal: AbortSignal,
): OpeningTrial | undefined {
  if (isEngine()) return undefined
  const hearers: ((stages: number) => void)[] = []
  let stages = 0
  const reached = (more: number) => {
    if (more <= stages) return
    stages = more
    for (const hear of hearers) hear(stages)
  }
  const eachStage: OpeningTrial['eachStage'] = (hear) => {
    hear(stages)
    hearers.push(hear)
  }
  const [loaded, madeContext] = [deferred(), deferred()]
  const opens = pass(binding, header, adapters, options, signal, (step) => {
    const begun = LOADING.indexOf(step)
    reached(begun < 0 ? LOADED : begun)
    if (begun >= 0) return
    loaded.resolve()
    if (step !== MAKING_CONTEXT) madeContext.resolve()
  })
  opens.then(
    () => reached(LOADED),
    () => {},
  )
  const loads = Promise.race([opens, loaded.promise])
  const makesContexts = Promise.race([opens, madeContext.promise])
  for (const either of [loads, makesContexts]) either.catch(() => {}) // the promise that is awaited reports it
  return { eachStage, loads, makesContexts, opens }
}

async function pass(
  binding: NativeBinding,
  { path, files, tensorBytes, tokenCount }: GgufHeader,
  adapters: readonly ModelFile[],
  { keyType, valueType, flashAttention, pooling, logger, known }: TrialOptions,
  signal: AbortSignal,
  onStep: (step: string) => void,
): Promise<void> {
  const all = [...files, ...adapters]
  const cache = { keyType, valueType, flashAttention }
  const { llamaVersion, systemInfo } = binding
  const key = [VERSION, llamaVersion, systemInfo, cache, all.map(({ identity }) => identity), pooling]
  const attempt = async (given: AbortSignal) => {
    if (adapters.length === 0 && (await isOwn(files[0]!))) return true
    logger.debug(`${path} is unknown: it is opened in a child process first`)
    const limitMs = Math.ceil(LEAST_MS + tensorBytes * MS_PER_BYTE + tokenCount * MS_PER_TOKEN)
    const trial = {
      limitMs,
      limitBytes: LEAST_BYTES + 2 * all.reduce((sum, { bytes }) => sum + bytes, 0),
      giveUpMs: 60_000 + 10 * limitMs,
      signal: given,
      onStep,
    } as const
    const child = known?.child?.isFree ? known.child : await startChild(binding)
    const end = await withPartLinks(files.length, (links) => {
      const input: OpeningInput = { parts: files, adapters, links, cache, ...(pooling && { pooling }) }
      return child.try({ ...trial, input })
    })
    if (end.end !== 'well') throw failure(path, end, trial)
    if (end.word === CHANGED) throw changed(path)
    if (end.word === NO_NUMBERS) throw withoutNumbers(path, adapters.length > 0)
    return end.word === undefined
  }
  const verdict = await trials.pass(hash(JSON.stringify(key)), attempt, logger, signal)
  if (verdict === 'passed' && known && known.passed === undefined)
    await openedFiles.add(keyOf(files[0]!.identity)).catch(() => {}) // it only saves time
}

type Limits = { readonly limitMs: number; readonly limitBytes: number }

function failure(
  path: string,
  { end, status, step = 'starting', lastWords }: TrialEnd,
  { limitMs, limitBytes }: Limits,
): Error {
  if (end === 'killed')
    return new OutOfMemoryError(
      `${path} was opened in a child process first, which the system killed while ${step}: memory seems to have run out.`,
    )
  const reason = /^.*(?:GGML_ASSERT|terminate called|what\(\)|fatal|error).*$/im.exec(lastWords)?.[0]
  const how = {
    crash: `crashes with ${status}${reason === undefined ? '' : ` (${reason.trim().slice(0, 300)})`}`,
    time: `takes more than ${Math.ceil(limitMs / 1000)} s`,
    memory: `takes more than ${Math.round(limitBytes / 2 ** 20)} MiB of memory`,
    well: '',
  }[end]
  const message = `${path} is damaged, or of a kind that llama.cpp does not know: ${step} ${how}. It was tried in a child process, and nothing else was harmed.`
  return new ModelError('ERR_MODEL_DAMAGED', message, path)
}

function withoutNumbers(path: string, hasAdapters: boolean): ModelError {
  const whose = hasAdapters ? 'with its LoRA adapters its logits' : 'its logits'
  const message = `${path} is damaged, or of a kind that llama.cpp does not know: ${whose} are not numbers. ${HOW_TO_CHECK}`
  return new ModelError('ERR_MODEL_DAMAGED', message, path)
}

async function isOwn({ path, bytes, identity }: ModelFile): Promise<boolean> {
  if (bytes > LARGEST_OWN) return false
  const file = await openFile(path)
  try {
    if (file.identity !== identity) throw changed(path)
    return OWN_MODELS.includes(hash(await file.readAll(LARGEST_OWN)))
  } finally {
    await file.close()
  }
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
