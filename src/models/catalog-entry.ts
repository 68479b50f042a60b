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
  /** It comes from a file that the user named: what is wrong with it is an error. */
  readonly isNamed: boolean
}

/** The entry of one model, kept beside its file. */
export function entryFile(modelFile: string): string {
  return `${modelFile}.json`
}

/** Lists that may lie beside model files, as GPT4All names them. */
const LISTS = ['models3.json', 'models2.json', 'models.json']

/**
 * The catalog entry of the model in `modelFile`: from `configFile` where one is named, else from the entry kept
 * beside the model, else from a list beside it. An entry belongs to a file by its name, and by its size where it tells
 * one; a list that speaks of other files only changes nothing.
 * @throws {ModelError} `ERR_MODEL_CONFIG` when `configFile` cannot be read, is no catalog, or has no entry for the model
 */
export async function findEntry(
  modelFile: string,
  configFile: string | undefined,
  logger: Logger,
): Promise<CatalogEntry | undefined> {
  const { size } = await stat(modelFile)
  if (configFile !== undefined) {
    const entry = find(await readCatalog(configFile), modelFile)
    const wrong = entry ? otherSize(entry, size) : `has no entry for ${basename(modelFile)}`
    if (wrong) throw new ModelError('ERR_MODEL_CONFIG', `${configFile} ${wrong}.`, configFile)
    return entry && { ...entry, isNamed: true }
  }
  for (const file of [entryFile(modelFile), ...LISTS.map((name) => join(dirname(modelFile), name))]) {
    try {
      const entry = find(await readCatalog(file), modelFile)
      const wrong = entry && otherSize(entry, size)
      if (wrong) logger.warn(`${file} ${wrong}: its templates are not used`)
      else if (entry) return entry
    } catch (error) {
      // Nobody named this file: one that is broken, or no catalog at all, is none of our business.
      const missing = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
      if (!missing) logger.warn(`ignored: ${(error as Error).message}`)
    }
  }
  return undefined
}

function find(list: readonly CatalogEntry[], modelFile: string): CatalogEntry | undefined {
  return list.find(({ filename }) => filename === undefined || filename === basename(modelFile))
}

function otherSize({ filesize }: CatalogEntry, size: number): string | undefined {
  if (!filesize || Number(filesize) === size) return undefined
  return `speaks of a file of ${filesize} bytes, this one has ${size}`
}

async function readCatalog(file: string): Promise<CatalogEntry[]> {
  const refuse = (why: string, cause: unknown) =>
    new ModelError('ERR_MODEL_CONFIG', `${file} ${why}`, file, { cause })
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read: ${error.code ?? error.message}`, error)
  })
  try {
    const parsed: unknown = JSON.parse(text)
    const list = Array.isArray(parsed) ? parsed : [parsed]
    // Only an entry by itself may go without a name: in a list nothing else tells whose it is.
    return list.map((entry: unknown) => toEntry(entry, Array.isArray(parsed)))
  } catch (error) {
    throw refuse(`is no catalog of models: ${(error as Error).message}`, error)
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
    isNamed: false,
  }
}
