import { isCancel, select } from '@clack/prompts'
import { GPT4All, printableLine } from '../index.ts'
import { Interruption } from './failure.ts'
import { embeddedModel, usable } from './local-models.ts'
import { modelUsedLast, noModel } from './remembered.ts'
import { size } from './terminal.ts'

/** Maximum size of the catalog's models that are offered if there are none on the disk. */
const SMALL_BYTES = 2.5e9
const MOST_OFFERED = 8

/**
 * The model used last, else the only one in the folder, else one that the user chooses there or to download.
 */
export async function choose(modelPath: string | undefined, note: (text: string) => void): Promise<string> {
  const model = await modelUsedLast()
  if (model !== undefined && modelPath === undefined) return model
  const local = await usable(modelPath)
  if (local.length === 1) return local[0]!.filename
  if (process.stdin.isTTY !== true) {
    if (local[0]) return local[0].filename
    throw noModel(modelPath)
  }
  const offered = local.length > 0 ? [] : await smallOnes(note)
  const options = [
    ...local.map(({ filename, filesize }) => ({
      value: filename,
      label: printableLine(filename),
      hint: size(filesize),
    })),
    ...offered,
    {
      value: embeddedModel(),
      label: 'the tiny model of this package',
      hint: 'for a first try; it knows very little',
    },
  ]
  const chosen = await select({ message: 'Which model?', options })
  if (isCancel(chosen)) throw new Interruption('no model')
  return chosen
}

async function smallOnes(note: (text: string) => void) {
  const known = await GPT4All.listModels().catch((error: Error) => {
    note(`GPT4All's list of models cannot be read: ${error.message}`)
    return []
  })
  return known
    .filter(({ filename, filesize }) => filename.endsWith('.gguf') && filesize && filesize < SMALL_BYTES)
    .sort((a, b) => (a.filesize ?? 0) - (b.filesize ?? 0))
    .slice(0, MOST_OFFERED)
    .map(({ filename, filesize, name }) => ({
      value: filename,
      label: printableLine(name ?? filename),
      hint: `downloads ${size(filesize ?? 0)}`,
    }))
}
