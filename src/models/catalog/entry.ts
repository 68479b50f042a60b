import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, ModelError, messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { writeWhole } from '../../core/whole-file.ts'
import { PATIENCE, type Patience } from '../download/http.ts'
import { catalogUrl } from '../download/mirror.ts'
import { fetchCatalog, readCatalog } from './catalog.ts'
import type { StoredCatalogEntry } from './schema.ts'
import { successorOf } from './successors.ts'

/** The templates and prompts for a model. */
export type TemplateEntry = {
  /** Jinja. */
  readonly chatTemplate: string | undefined
  /** The content of the system message, for `chatTemplate`. */
  readonly systemMessage: string | undefined
  /** With `%1` for the message and perhaps `%2` for the answer. */
  readonly promptTemplate: string | undefined
  /** Raw text in front of the conversation, for `promptTemplate`. */
  readonly systemPrompt: string | undefined
  /** Whether the user named the file that it comes from: what is wrong with it is then an error. */
  readonly isNamed: boolean
}

/** Path of the entry that is stored beside a model's file. */
function entryFile(modelFile: string): string {
  return `${modelFile}.json`
}

/** The entry that was stored when the file was downloaded, or that of a list beside it. */
export async function storedEntry(modelFile: string): Promise<StoredCatalogEntry | undefined> {
  const [kept] = await readCatalog(entryFile(modelFile)).catch(() => [])
  if (kept) return kept
  for (const list of LISTS) {
    const entries = await readCatalog(join(dirname(modelFile), list)).catch(() => [])
    const entry = entries.find(({ filename }) => filename === basename(modelFile))
    if (entry) return entry
  }
  return undefined
}

/** Stores `entry` beside its file; replaces only an earlier entry of that file, and only if `mayReplace`. */
export async function storeEntry(
  modelFile: string,
  entry: StoredCatalogEntry,
  mayReplace: boolean,
): Promise<void> {
  const file = entryFile(modelFile)
  const before = mayReplace ? await readCatalog(file).catch(() => []) : []
  const replaces = before.length === 1 && before[0]?.filename === entry.filename
  await writeWhole(file, [`${JSON.stringify(entry, null, 2)}\n`], { replaces }).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
}

/** Lists that may be beside model files, as GPT4All names them. */
const LISTS = ['models3.json', 'models2.json', 'models.json']

/**
 * The entry of the model in `modelFile` in a file that the user names.
 * @throws {ModelError} `ERR_MODEL_CONFIG` if `configFile` cannot be read, is no catalog, or has no entry for
 * the model
 */
export async function entryIn(configFile: string, modelFile: string): Promise<StoredCatalogEntry> {
  const size = await sizeOf(modelFile)
  const entry = find(await readCatalog(configFile), modelFile, size)
  const wrong = entry ? otherSize(entry, size) : `has no entry for ${basename(modelFile)}`
  if (!entry || wrong) throw new ModelError('ERR_MODEL_CONFIG', `${configFile} ${wrong}.`, configFile)
  return entry
}

/**
 * The catalog entry of the model in `modelFile`: from `configFile` if given, else the entry stored beside the
 * model, else from a list beside it. An entry must match the file's name, and its size if it has one; a list
 * of other files has no effect.
 * @throws {ModelError} see `entryIn()`
 */
export async function templatesBeside(
  modelFile: string,
  configFile: string | undefined,
  logger: Logger,
): Promise<TemplateEntry | undefined> {
  if (configFile !== undefined) return templatesOf(await entryIn(configFile, modelFile), true)
  const size = await sizeOf(modelFile)
  const files = [entryFile(modelFile), ...LISTS.map((name) => join(dirname(modelFile), name))]
  const read = await Promise.allSettled(files.map(readCatalog))
  for (const [i, file] of files.entries()) {
    const catalog = read[i]!
    if (catalog.status === 'rejected') {
      // The user did not name this file, so a broken file, or one that is not a catalog, is ignored.
      const { reason } = catalog
      const isMissing = reason instanceof Error && codeOf(reason.cause) === 'ENOENT'
      if (!isMissing) logger.warn(`ignored: ${messageOf(reason)}`)
      continue
    }
    const entry = find(catalog.value, modelFile, size)
    const wrong = entry && otherSize(entry, size)
    if (wrong) logger.warn(`${file} ${wrong}: its templates are not used`)
    else if (entry) return templatesOf(entry, false)
  }
  return undefined
}

/** How long a chat waits for the catalog if a model's template is not known otherwise. */
const LOOK_UP_MS = 5000
const PATIENCE_FOR_TEMPLATES: Patience = { ...PATIENCE, attempts: 1 }

/**
 * The entry of the model in `modelFile` in GPT4All's catalog, for a model without another known template. The
 * entry is then stored beside the file. `undefined` if the catalog does not know the model, or cannot be
 * read.
 */
export async function templatesFromCatalog(
  modelFile: string,
  {
    signal,
    logger,
    limitMs = LOOK_UP_MS,
  }: { readonly signal: AbortSignal; readonly logger: Logger; readonly limitMs?: number },
): Promise<TemplateEntry | undefined> {
  try {
    const catalog = await fetchCatalog({
      url: catalogUrl(),
      signal,
      logger,
      patience: PATIENCE_FOR_TEMPLATES,
      limitMs,
    })
    const size = await sizeOf(modelFile)
    const entry = find(catalog, modelFile, size)
    const successor = successorOf(modelFile)
    const same = successor?.isSame && catalog.find(({ filename }) => filename === successor.filename)
    const known = entry && otherSize(entry, size) === undefined ? entry : same
    if (!known) return undefined
    const kept = entry === known ? entry : { ...known, filename: basename(modelFile), filesize: size }
    await storeEntry(modelFile, kept, false).catch((error: unknown) =>
      logger.debug(`the catalog entry of ${modelFile} could not be saved: ${messageOf(error)}`),
    )
    return templatesOf(known, false)
  } catch (error) {
    signal.throwIfAborted()
    logger.warn(`the catalog with the template of ${modelFile} cannot be read: ${messageOf(error)}`)
    return undefined
  }
}

/** `undefined` if there is no file: an old one may have been deleted after its conversion. */
async function sizeOf(modelFile: string): Promise<number | undefined> {
  return stat(modelFile).then(
    ({ size }) => size,
    () => undefined,
  )
}

/** The entry with the file's name; of several, the one with its size. */
function find(
  list: readonly StoredCatalogEntry[],
  modelFile: string,
  size: number | undefined,
): StoredCatalogEntry | undefined {
  const fitting = list.filter(({ filename }) => filename === undefined || filename === basename(modelFile))
  return fitting.find((entry) => otherSize(entry, size) === undefined) ?? fitting[0]
}

function otherSize({ filesize }: StoredCatalogEntry, size: number | undefined): string | undefined {
  if (filesize === undefined || size === undefined || filesize === size) return undefined
  return `describes a file of ${filesize} bytes, but this one has ${size}`
}

/** In catalogs, an empty or blank text means none. */
function templatesOf(entry: StoredCatalogEntry, isNamed: boolean): TemplateEntry {
  const { chatTemplate, promptTemplate, systemMessage, systemPrompt } = entry
  return {
    chatTemplate: chatTemplate || undefined,
    systemMessage: systemMessage?.trim() || undefined,
    promptTemplate: promptTemplate || undefined,
    systemPrompt: systemPrompt?.trim() ? systemPrompt : undefined,
    isNamed,
  }
}
