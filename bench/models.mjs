// The files that the benchmarks measure with: the real model as published (Q4_1), and two copies of it that are made
// here once. `q4_0` has the format of GPT4All's own gallery; `untied` is one that GPT4All's engine of 2024 can open.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { fetchModel } from '../scripts/models-fetch.mjs'
import { realModel } from '../scripts/paths.mjs'
import { reason, run } from '../scripts/process.mjs'
import { Stop } from '../scripts/steps.mjs'
import { untie } from './untie.mjs'

export const MODELS = {
  q4_1: realModel,
  q4_0: realModel.replace('.Q4_1.', '.Q4_0.'),
  untied: realModel.replace('.Q4_1.', '.Q4_1-untied.'),
}

/**
 * The paths `{ q4_1, q4_0, untied }`, after making what is missing; `tools` is the room of scripts/llama-tools.mjs,
 * built. Whoever calls holds the checkout's lock.
 */
export async function prepareModels(tools, report = () => {}) {
  await fetchModel(report)
  await make(MODELS.q4_0, report, async (file) => {
    const outcome = await run(tools.quantize, ['--allow-requantize', MODELS.q4_1, file, 'Q4_0'])
    if (outcome.code !== 0)
      throw new Stop(`llama-quantize could not make the Q4_0 copy (${reason(outcome)}).`)
  })
  await make(MODELS.untied, report, (file) => untie(MODELS.q4_1, file))
  return MODELS
}

/** A file that is there is whole: it gets its name last. */
async function make(file, report, write) {
  if (existsSync(file)) return
  report(`making ${basename(file)}`)
  const part = `${file}.part`
  rmSync(part, { force: true })
  await write(part)
  renameSync(part, file)
}

/** What rows that are measured on both formats take of the settings: the real model, or what `--model` names, and Q4_0. */
export const files = [
  { suffix: '', name: 'as published', of: ({ model }) => model },
  { suffix: '-q4_0', name: 'Q4_0', of: ({ models }) => models.q4_0 },
]
