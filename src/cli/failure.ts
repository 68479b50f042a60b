import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Command, CommanderError } from 'commander'
import { nearest } from '../core/suggest.ts'
import { DownloadError, isGPT4AllError } from '../index.ts'

/** Exit codes of the process, listed in `docs/cli.md`. */
export const EXIT = {
  failure: 1,
  usage: 2,
  model: 3,
  download: 4,
  resources: 5,
  interrupted: 130,
} as const

/** The command was called wrongly. */
export class UsageError extends Error {}

/** The user has interrupted the command. */
export class Interruption extends Error {}

/** What Ollama's users type, and what does it here. */
const OLLAMA: Readonly<Record<string, string>> = {
  run: 'gpt4all-ts chat -m <name>',
  pull: 'gpt4all-ts models download <name>',
  list: 'gpt4all-ts models list',
  ls: 'gpt4all-ts models list',
  rm: 'gpt4all-ts models remove <name>',
  show: 'gpt4all-ts models info <name>',
  ps: 'gpt4all-ts serve, whose /health lists the models that are loaded',
}

/** For default commands, which receive any word that is not a command. */
export function refuseWords([word]: readonly string[], { commands }: Command): void {
  if (word === undefined) return
  const here = Object.hasOwn(OLLAMA, word) ? OLLAMA[word] : undefined
  if (here) throw new UsageError(`there is no command '${word}'. What it does elsewhere is here: ${here}`)
  const near = nearest(
    word,
    commands.map((one) => one.name()),
  )
  throw new UsageError(`unknown command '${word}'${near ? ` (did you mean ${near}?)` : ''}`)
}

type Failure = { readonly code: number; readonly message: string; readonly hint?: string | undefined }

/** Describes a failure: an exit code, a sentence, and what may help. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof Interruption) return { code: EXIT.interrupted, message: '' }
  // Commander has already printed it, and the help.
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : EXIT.usage, message: '' }
  if (error instanceof UsageError)
    return { code: EXIT.usage, message: error.message, hint: HINTS.ERR_OPTION?.[1] }
  if (!isGPT4AllError(error)) return describeForeign(error as NodeJS.ErrnoException)
  const { code } = error
  // Options of the library are flags here.
  const message = inCommands(error.message).replaceAll(/"([a-z]+(?:[A-Z]\w*)?)"/g, (quoted, name: string) =>
    name === (error as { option?: string }).option || /[A-Z]/.test(name) ? flagOf(name) : quoted,
  )
  const [exitCode, hint] = HINTS[code] ?? []
  // What a download is refused for is neither on the disk, nor is it there another time.
  if (
    error instanceof DownloadError &&
    (code === 'ERR_CHECKSUM' || [401, 403, 404].includes(error.status ?? 0))
  )
    return { code: EXIT.download, message }
  if (exitCode === undefined && error instanceof DownloadError) return { code: EXIT.download, message }
  return { code: exitCode ?? EXIT.failure, message, hint }
}

/** Replaces names of the library's functions and options with those of commands and flags. */
const inCommands = (message: string) =>
  message
    .replaceAll('open the model with a larger nCtx', 'give a larger --n-ctx')
    .replaceAll('(nCtx)', '(--n-ctx)')
    .replaceAll('GPT4All.listModels()', '`gpt4all-ts models list`')
    .replaceAll('GPT4All.downloadModel()', '`gpt4all-ts models download --url`')
    .replaceAll(/GPT4All\.load\("([^"]+)"\)/g, '`gpt4all-ts models download $1`')
    .replaceAll('set allowDownload to true', 'download it with `gpt4all-ts models download`')

const flagOf = (option: string) =>
  option === 'name' ? 'the model' : `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

function describeForeign(error: NodeJS.ErrnoException): Failure {
  const message = error?.message ?? String(error)
  if (error?.code === 'EADDRINUSE')
    return {
      code: EXIT.failure,
      message,
      hint: 'Another program uses that port. Choose another one with --port.',
    }
  if (error?.code === 'ENOENT' && error.path)
    return {
      code: EXIT.failure,
      message: `${existsSync(dirname(error.path)) ? error.path : `The folder ${dirname(error.path)}`} does not exist.`,
    }
  return { code: EXIT.failure, message }
}

const HINTS: Readonly<Record<string, readonly [code: number, hint?: string]>> = {
  ERR_OPTION: [EXIT.usage, '`--help` lists the options.'],
  ERR_MODEL_NOT_FOUND: [
    EXIT.model,
    '`gpt4all-ts models list` lists the models on the disk, and those that can be downloaded.',
  ],
  ERR_MODEL_UNREADABLE: [EXIT.model, '-m expects the path of a model file.'],
  ERR_NOT_GGUF: [EXIT.model, 'Models are .gguf files. `gpt4all-ts models list` lists those on the disk.'],
  ERR_MODEL_DAMAGED: [EXIT.model, 'Download it again with `gpt4all-ts models download <name> --force`.'],
  ERR_MODEL_UNSUPPORTED: [EXIT.model],
  ERR_MODEL_LOAD: [EXIT.model],
  ERR_MODEL_CONFIG: [EXIT.model],
  ERR_CHECKSUM: [EXIT.model, 'Download it again with `gpt4all-ts models download <name> --force`.'],
  ERR_DOWNLOAD: [
    EXIT.download,
    'An interrupted download resumes when you run the command again. `gpt4all-ts models list --local` lists the models on the disk.',
  ],
  ERR_DISK_SPACE: [EXIT.resources],
  ERR_MEMORY: [EXIT.resources, 'A smaller --n-ctx, or --kv-type q8_0, needs less memory.'],
  ERR_CONTEXT_OVERFLOW: [EXIT.failure],
  ERR_DEVICE: [EXIT.failure, '`gpt4all-ts doctor` lists the devices of this machine.'],
  ERR_ENGINE_CRASHED: [EXIT.failure, 'Try again: a new process will start.'],
  ERR_BINDING: [EXIT.failure, 'Check the installation with `gpt4all-ts doctor`.'],
}
