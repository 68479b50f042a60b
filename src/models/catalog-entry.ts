import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ModelError } from '../errors.ts'
import type { Logger } from '../logger.ts'

/** What a GPT4All catalog (`models3.json`, `models.json`) says on how to speak with a model. */
export type CatalogEntry = {
  readonly filename: string | undefined
  /** Bytes; the catalogs write it as text. */
  readonly filesize: string | undefined
  /** Jinja. */
  readonly chatTemplate: string | undefined
  /** The content of the system message, for `chatTemplate`. */
  readonly systemMessage: string | undefined
  /** With `%1` for the message and perhaps `%2` for the answer. */
  readonly promptTemplate: string | undefined
  /** Raw text in front of the conversation, for `promptTemplate`. */
  readonly systemPrompt: string | undefined
}

/** The entry of one model, kept beside its file. */
export function entryFile(modelFile: string): string {
  return `${modelFile}.json`
}

/** Lists that may lie beside model files, as GPT4All names them. */
const LISTS = ['models3.json', 'models2.json', 'models.json']

/**
 * The catalog entry of the model in `modelFile`: from `configFile` where one is named, else from the entry kept
 * beside the model, else from a list beside it. An entry belongs to a file by its name and size; a list that speaks
 * of other files only changes nothing.
 * @throws {ModelError} `ERR_MODEL_CONFIG` when `configFile` cannot be read, or is no catalog
 */
export async function findEntry(
  modelFile: string,
  configFile: string | undefined,
  logger: Logger,
): Promise<CatalogEntry | undefined> {
  const { size } = await stat(modelFile)
  const find = (list: readonly CatalogEntry[], from: string) => belonging(list, modelFile, size, from, logger)
  if (configFile !== undefined) {
    const entry = find(await readCatalog(configFile), configFile)
    if (!entry)
      logger.warn(`${configFile} has no entry for ${basename(modelFile)}: its templates are not used`)
    return entry
  }
  for (const file of [entryFile(modelFile), ...LISTS.map((name) => join(dirname(modelFile), name))]) {
    try {
      const entry = find(await readCatalog(file), file)
      if (entry) return entry
    } catch (error) {
      // Nobody named this file: one that is broken, or no catalog at all, is none of our business.
      const missing = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
      if (!missing) logger.warn(`ignored: ${(error as Error).message}`)
    }
  }
  return undefined
}

function belonging(
  list: readonly CatalogEntry[],
  modelFile: string,
  size: number,
  from: string,
  logger: Logger,
): CatalogEntry | undefined {
  const name = basename(modelFile)
  const entry = list.find(({ filename }) => filename === undefined || filename === name)
  if (!entry?.filesize || Number(entry.filesize) === size) return entry
  logger.warn(
    `${from} speaks of a ${name} of ${entry.filesize} bytes, this one has ${size}: its templates are not used`,
  )
  return undefined
}

async function readCatalog(file: string): Promise<CatalogEntry[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'))
    const list = Array.isArray(parsed) ? parsed : [parsed]
    // Only an entry by itself may go without a name: in a list nothing else tells whose it is.
    return list.map((entry: unknown) => toEntry(entry, Array.isArray(parsed)))
  } catch (error) {
    const message = `${file} is no catalog of models: ${(error as Error).message}`
    throw new ModelError('ERR_MODEL_CONFIG', message, file, { cause: error })
  }
}

function toEntry(value: unknown, needsName: boolean): CatalogEntry {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('an entry is not an object')
  const text = (name: string) => {
    const field = (value as Record<string, unknown>)[name]
    if (field === undefined || field === null) return undefined
    if (typeof field === 'string') return field
    if (name === 'filesize' && typeof field === 'number') return String(field)
    throw new TypeError(`"${name}" of an entry is not a text`)
  }
  const filename = text('filename')
  if (needsName && filename === undefined) throw new TypeError('an entry has no "filename"')
  const template = text('chatTemplate') || undefined
  return {
    filename,
    filesize: text('filesize'),
    chatTemplate: template,
    systemMessage: text('systemMessage')?.trim() || undefined,
    promptTemplate: text('promptTemplate') || undefined,
    systemPrompt: text('systemPrompt')?.trim() ? text('systemPrompt') : undefined,
  }
}
