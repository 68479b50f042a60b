import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type JsonLimits, parseWithin } from '../core/json-shape.ts'
import { readBytes } from '../core/regular-file.ts'
import { writeWhole } from '../core/whole-file.ts'
import { defaultModelPath, ModelError, printableLine } from '../index.ts'
import { embeddedModel, isPath, usable } from './local-models.ts'

/** What the command line remembers between runs. */
type CliState = { readonly model?: string; readonly inputs?: readonly string[] }

const MOST_BYTES = 16 * 2 ** 20
const LIMITS: JsonLimits = { depth: 4, parts: 5000, numbers: 100 }

const file = () =>
  join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'gpt4all-ts', 'cli.json')

export async function remembered(): Promise<CliState> {
  try {
    const refuse = (why: string) => new Error(why)
    return sound(parseWithin(await readBytes(file(), MOST_BYTES, refuse), LIMITS, refuse))
  } catch {
    return {} // the first run, or the file is damaged
  }
}

/** Keeps only strings, made safe for a terminal, because any program may have written the file. */
function sound(found: unknown): CliState {
  const { model, inputs } = (found ?? {}) as Record<keyof CliState, unknown>
  return {
    ...(typeof model === 'string' && { model }),
    ...(Array.isArray(inputs) && {
      inputs: inputs.filter((input) => typeof input === 'string').map(printableLine),
    }),
  }
}

/** Ignores failures, because the command line must work without a writable folder. */
export async function remember(what: CliState): Promise<void> {
  const all = { ...(await remembered()), ...what }
  try {
    await mkdir(dirname(file()), { recursive: true })
    await writeWhole(file(), [JSON.stringify(all)], { mode: 0o600 })
  } catch {}
}

/** Remembers a path as absolute, so that it is valid in every folder, and a name as it is. */
export function rememberModel(model: string): Promise<void> {
  return remember({ model: isPath(model) ? resolve(model) : model })
}

/** The model used last; `undefined` if there is none, or its file is gone. */
export async function modelUsedLast(): Promise<string | undefined> {
  const { model } = await remembered()
  return model === undefined || (isPath(model) && !existsSync(model)) ? undefined : model
}

/** The model used last, else the first in the folder. */
export async function usualModel(modelPath: string | undefined): Promise<string> {
  const model = await modelUsedLast()
  if (model !== undefined && modelPath === undefined) return model
  const [first] = await usable(modelPath)
  if (first) return first.filename
  throw noModel(modelPath)
}

export function noModel(modelPath = defaultModelPath()): ModelError {
  const message = `No model has been used yet, and ${modelPath} has no models. To try the model of this package: -m ${embeddedModel()}`
  return new ModelError('ERR_MODEL_NOT_FOUND', message, modelPath)
}
