import { existsSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { STATUS_CODES } from 'node:http'
import { extname, isAbsolute, join } from 'node:path'
import { DownloadError, GPT4All, type GPT4AllError, ModelError } from '../index.ts'
import { fileUrl } from '../models/download/mirror.ts'
import { isHubName } from '../models/hub/name.ts'
import { DEFAULT_DIRECTORY, DEFAULT_MODEL_CONFIG, DEFAULT_MODEL_LIST_URL } from './common/constants.ts'
import { given } from './common/options.ts'
import type {
  DownloadController,
  DownloadModelOptions,
  ListModelsOptions,
  ModelConfig,
  RetrieveModelOptions,
} from './common/types.ts'
import { warn } from './common/warn.ts'

/** The name of a file: `.gguf` is appended unless it ends in that or `.bin`, or names a repository. */
export function withExtension(name: string): string {
  if (isHubName(name)) return name
  return ['.bin', '.gguf'].includes(extname(name)) ? name : `${name}.gguf`
}

/**
 * The entries of a list of models, from an address or a file, with numbers as text, as lists have them. The address of
 * GPT4All's list means that of the mirror where `GPT4ALL_MODELS_URL` names one.
 *
 * @throws {Error} if neither is given, or the list cannot be read
 */
export async function listModels(
  options: ListModelsOptions = { url: DEFAULT_MODEL_LIST_URL },
): Promise<ModelConfig[]> {
  const { file, url } = given(options)
  if (file) return readList(file)
  if (!url) throw new Error('No model list source specified. Please specify either a url or a file.')
  const listed = GPT4All.listModels(url === DEFAULT_MODEL_LIST_URL ? {} : { url })
  const entries = await listed.catch((error: unknown) => {
    throw isAnswer(error)
      ? new Error(`Failed to retrieve model list from ${error.url} - ${statusOf(error)}`, { cause: error })
      : error
  })
  return entries.map((entry) => written(entry) as ModelConfig)
}

async function readList(file: string): Promise<ModelConfig[]> {
  if (!existsSync(file)) throw new Error(`Model list file ${file} does not exist.`)
  const wrong = (why: string, cause?: unknown) => new Error(`Model list file ${file} ${why}.`, { cause })
  let list: unknown
  try {
    list = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw wrong('is not valid JSON', error)
  }
  const isEntry = (entry: unknown) => typeof entry === 'object' && entry !== null
  if (!Array.isArray(list) || !list.every(isEntry)) throw wrong('is not a list of models')
  return list as ModelConfig[]
}

/**
 * Begins to download a model: GPT4All's own by name, or the file at `options.url`. An interrupted download resumes where it
 * stopped, and the file gets its name only once it is complete and verified.
 *
 * @throws {Error} at once if the file is already there
 */
export function downloadModel(modelName: string, options: DownloadModelOptions = {}): DownloadController {
  const { modelPath = DEFAULT_DIRECTORY, verbose = false, url, md5sum } = given(options)
  const file = join(modelPath, withExtension(modelName))
  mkdirSync(modelPath, { recursive: true })
  if (existsSync(file)) throw new Error(`Model already exists at ${file}`)
  const controller = new AbortController()
  const { signal } = controller
  const promise = fetched(withExtension(modelName), { modelPath, verbose, signal, url, md5sum }).catch(
    (error: unknown) => {
      throw worded(error, modelName, md5sum)
    },
  )
  return { cancel: () => controller.abort(), promise: promise as DownloadController['promise'] }
}

type Request = {
  readonly modelPath: string
  readonly verbose: boolean
  readonly signal: AbortSignal
  readonly url: string | undefined
  readonly md5sum: string | undefined
}

/** What no file has: the package downloads one too whose checksum is to be something else. */
const NO_MD5 = '0'.repeat(32)

async function fetched(filename: string, { url, md5sum, ...others }: Request): Promise<string> {
  const sum = md5sum && !/^[\da-f]{32}$/i.test(md5sum) ? NO_MD5 : md5sum
  const options = { ...others, ...(sum && { md5sum: sum }) }
  if (url) return GPT4All.downloadModel(filename, { ...options, url })
  try {
    return await GPT4All.downloadModel(filename, options)
  } catch (error) {
    const isUnlisted = error instanceof ModelError && error.code === 'ERR_MODEL_NOT_FOUND'
    if (!isUnlisted || isHubName(filename)) throw error
    // The package takes it from the folder of GPT4All's files, whether or not the list has it.
    return GPT4All.downloadModel(filename, { ...options, url: fileUrl(filename) })
  }
}

/** An error in the package's words, with ours as the cause. */
export function worded(error: unknown, modelName: string, md5sum?: string): unknown {
  if (error instanceof ModelError) {
    const message = error.message
      .replaceAll('with Embed4All', "with loadModel(name, { type: 'embedding' })")
      .replaceAll('GPT4All.listModels()', 'listModels()')
    return message === error.message ? error : reworded(message, error)
  }
  if (!(error instanceof DownloadError)) return error
  if (error.code === 'ERR_CHECKSUM' && md5sum !== undefined) {
    const expected = `Expected ${md5sum}, got ${error.digest}`
    return reworded(`Model "${modelName}" failed verification: Hashes mismatch. ${expected}`, error)
  }
  if (!isAnswer(error)) return error
  return reworded(`Failed to download model from ${error.url} - ${statusOf(error)}`, error)
}

function reworded(message: string, cause: GPT4AllError): Error {
  return Object.assign(new Error(message, { cause }), { code: cause.code })
}

/** Whether a server has answered, and refused. */
function isAnswer(error: unknown): error is DownloadError & { readonly status: number } {
  return error instanceof DownloadError && error.status !== undefined
}

const statusOf = ({ status }: { readonly status: number }) => `${status} ${STATUS_CODES[status] ?? ''}`.trim()

/** What the list says about the model, with defaults, and the path of its file, which is downloaded if it is not there. */
export async function retrieveModel(
  modelName: string,
  options: RetrieveModelOptions = {},
): Promise<ModelConfig> {
  const { config, isKnown } = await findModel(modelName, options)
  if (!isKnown) warn(`Failed to load model config for ${modelName}. Using defaults.`)
  return config
}

/** A model's entry, its file, and whether a list has its template. */
export type FoundConfig = {
  readonly config: ModelConfig
  readonly isKnown: boolean
  readonly hasTemplate: boolean
}

export async function findModel(modelName: string, options: RetrieveModelOptions): Promise<FoundConfig> {
  const {
    modelPath = DEFAULT_DIRECTORY,
    allowDownload = true,
    verbose = false,
    modelConfigFile,
  } = given(options)
  const filename = withExtension(modelName)
  const listed = modelConfigFile
    ? (await listModels({ file: modelConfigFile })).find((one) => fieldOf(one, 'filename') === filename)
    : undefined
  const path = isAbsolute(filename) && modelPath === DEFAULT_DIRECTORY ? filename : join(modelPath, filename)
  if (listed?.url && allowDownload && !existsSync(path)) {
    const md5sum = fieldOf(listed, 'md5sum')
    await downloadModel(modelName, { modelPath, verbose, url: listed.url, ...(md5sum && { md5sum }) }).promise
  }
  const isThere = existsSync(path)
  const found = await GPT4All.retrieveModel(isThere ? path : modelName, {
    ...(!isThere && { modelPath }),
    allowDownload,
    verbose,
  }).catch((error: unknown) => {
    if (allowDownload || !(error instanceof ModelError) || error.code !== 'ERR_MODEL_NOT_FOUND')
      throw worded(error, modelName)
    throw new Error('Failed to retrieve model.', { cause: error })
  })
  const entry = listed ?? written(found)
  const systemPrompt = entry.systemPrompt?.trim() ?? DEFAULT_MODEL_CONFIG.systemPrompt
  const promptTemplate = entry.promptTemplate || DEFAULT_MODEL_CONFIG.promptTemplate
  return {
    config: { ...entry, systemPrompt, promptTemplate, path: found.path },
    isKnown: listed !== undefined || fieldOf(entry, 'order') !== undefined || Boolean(entry.promptTemplate),
    hasTemplate: Boolean(entry.promptTemplate),
  }
}

/** Lists write numbers as text. */
function written(entry: object): Partial<ModelConfig> {
  const fields = Object.entries(entry).map(([name, value]) => [
    name,
    typeof value === 'number' ? String(value) : value,
  ])
  return Object.fromEntries(fields)
}

function fieldOf(entry: object, name: string): string | undefined {
  const value: unknown = Reflect.get(entry, name)
  return typeof value === 'string' ? value : undefined
}
