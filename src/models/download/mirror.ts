import { DownloadError, messageOf } from '../../core/errors.ts'
import { checkUrl, shown } from './address.ts'

/**
 * GPT4All's own list, and the folder of files without an address of their own. Source: the Python package.
 */
export const CATALOG_URL = 'https://gpt4all.io/models/models3.json'
const FILES_URL = 'https://gpt4all.io/models/gguf/'

/**
 * The address of `name` on the mirror whose folder or `models3.json` the environment names: the models are
 * there too, by their file names. A query in the mirror's address is added to each.
 * @throws {DownloadError} `ERR_DOWNLOAD` if the environment names a mirror without a valid address
 */
export function mirrored(name: string): string | undefined {
  const folder = process.env.GPT4ALL_MODELS_URL
  if (!folder) return undefined
  const url = checkMirror(folder)
  url.pathname = `${url.pathname.replace(/\/(models3\.json)?$/, '')}/${encodeURIComponent(name)}`
  return url.href
}

function checkMirror(folder: string): URL {
  try {
    return checkUrl(folder)
  } catch (error) {
    const message = `GPT4ALL_MODELS_URL does not name a mirror: ${messageOf(error).replace(/\.$/, '')}`
    throw new DownloadError(message, { url: shown(folder), retry: false, cause: error })
  }
}

/** The address of the list of models. @throws {DownloadError} as `mirrored()` */
export function catalogUrl(): string {
  return mirrored('models3.json') ?? CATALOG_URL
}

/** The address of a file that is in the list's folder. @throws {DownloadError} as `mirrored()` */
export function fileUrl(filename: string): string {
  return mirrored(filename) ?? FILES_URL + encodeURIComponent(filename)
}
