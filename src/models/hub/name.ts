import { optionError } from '../../core/errors.ts'
import { wrongWithName } from '../names.ts'

/** What a name such as `hf:owner/repo:Q4_K_M` asks for: a file in a repository on Hugging Face. */
export type HubName = {
  /** As it was given. */
  readonly name: string
  /** `owner/repo` */
  readonly repository: string
  /** A branch, a tag or a commit; `undefined` means the main branch. */
  readonly revision: string | undefined
  /** The quantization, if that is how the file was named. */
  readonly quant: string | undefined
  /** The file's path in the repository, or its name, if that was given. */
  readonly file: string | undefined
  /** Whether `file` is the whole path, not a name in any folder. */
  readonly isPath: boolean
}

/** Whether a model's name means a repository on Hugging Face: it begins with `hf:`. */
export function isHubName(name: string): boolean {
  return /^hf:/i.test(name)
}

const FORM = /^hf:([^/:@]+)\/([^/:@]+)(?:@([^/:@]+))?(?:([:/])(.+))?$/i
/** Of owners, repositories and revisions, as Hugging Face allows them. */
const WORD = /^\w(?:[\w.-]*\w)?$/
/** It parts these words from each other in names of local files, so no word may contain it. */
const SEPARATOR = '--'
const QUANT = /^\w[\w.-]*$/
const EXPECTED = 'a name such as "hf:owner/repo", "hf:owner/repo:Q4_K_M" or "hf:owner/repo/file.gguf"'

/** @throws {TypeError} `ERR_OPTION` if `name` is not in the form of such a name; the error names `option` */
export function parseHubName(name: string, option: string): HubName {
  const [, owner = '', repo = '', revision, before, rest] = FORM.exec(name) ?? []
  const isWord = (word: string) => WORD.test(word) && !word.includes(SEPARATOR) && !word.includes('..')
  if (![owner, repo, revision ?? 'main'].every(isWord)) throw optionError(option, EXPECTED, name)
  const isFile = rest?.endsWith('.gguf') === true
  const isQuant = rest !== undefined && !isFile
  if (isQuant && (before === '/' || !QUANT.test(rest))) throw optionError(option, EXPECTED, name)
  const hub: HubName = {
    name,
    repository: `${owner}/${repo}`,
    revision,
    quant: isQuant ? rest : undefined,
    file: isFile ? rest : undefined,
    isPath: before === '/',
  }
  const wrong = isFile ? wrongWithPath(hub, rest) : undefined
  if (wrong) throw optionError(option, 'the path of a file in a repository', name, `which ${wrong}`)
  return hub
}

/** What is wrong with the path of a file in a repository, on any system; `undefined` if nothing is. */
export function wrongWithPath(hub: HubName, path: string): string | undefined {
  const names = [...path.split('/'), localName(hub, path)]
  return names.map(wrongWithName).find((wrong) => wrong !== undefined)
}

/** A path in a repository as a part of a file's name. */
export const flat = (path: string) => path.replaceAll('/', SEPARATOR)

/**
 * The name of the file on the disk: `owner--repo--file.gguf`. Owners and repositories contain no `--`, so
 * files of two repositories never have the same name.
 */
export function localName(hub: HubName, path: string): string {
  return prefixOf(hub) + flat(path)
}

/** What the names of all files of that repository and revision begin with. */
export function prefixOf({ repository, revision }: HubName): string {
  return `${flat(repository)}${revision === undefined ? '' : `@${revision}`}${SEPARATOR}`
}

/** A short form, for progress: `repo:Q4_K_M`. */
export function titleOf({ repository, quant, file }: HubName): string {
  const [, repo = ''] = repository.split('/')
  return file?.split('/').at(-1) ?? [repo, quant].filter(Boolean).join(':')
}
