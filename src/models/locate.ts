import { homedir } from 'node:os'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { optionError } from '../errors.ts'

/** The folder that the GPT4All Python package and this library share: `~/.cache/gpt4all`. */
export function defaultModelPath(): string {
  return join(homedir(), '.cache', 'gpt4all')
}

/**
 * The file that `name` means. With `modelPath` it is a name within that folder and cannot leave it. Without, a
 * plain name lies in the default folder, and anything with a separator is a path of its own. `.gguf` is appended
 * unless the name ends in `.gguf` or `.bin`, as in Python.
 * @throws {TypeError} `ERR_OPTION` when the name is empty, holds a NUL, or leaves `modelPath`
 */
export function locateModel(name: string, modelPath: string | undefined): string {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw optionError('name', 'the name or path of a model', name)
  }
  const file = /\.(gguf|bin)$/i.test(name) ? name : `${name}.gguf`
  if (isAbsolute(file)) return file
  if (modelPath === undefined && /[\\/]/.test(file)) return resolve(file)
  const folder = resolve(modelPath ?? defaultModelPath())
  const path = resolve(folder, file)
  const inside = relative(folder, path)
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw optionError('name', `a name within ${folder}`, name)
  }
  return path
}
