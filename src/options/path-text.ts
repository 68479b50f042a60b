import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { optionError } from '../core/errors.ts'

/** A path, in any form that Node.js takes one: a text, its bytes in UTF-8, or a `file:` URL. */
export type FilePath = string | Uint8Array | URL

/**
 * A path given as bytes or as a URL object as text, and anything else as it is.
 * @throws {TypeError} `ERR_OPTION` for the URL of something other than a file
 */
export function pathText<T>(path: T, option: string): Exclude<T, URL | Uint8Array> | string {
  if (types.isUint8Array(path)) return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()
  const { href, protocol } = Object(path) as Partial<URL>
  if (typeof path !== 'object' || typeof href !== 'string' || typeof protocol !== 'string')
    return path as Exclude<T, URL | Uint8Array>
  try {
    return fileURLToPath(href)
  } catch {
    throw optionError(option, 'a file: URL of a path on this machine, without encoded slashes', href)
  }
}
