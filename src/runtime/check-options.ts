import { optionError } from '../core/errors.ts'
import { locateModel, type ModelLocation } from '../models/locate.ts'
import { type GenerateOptions, resolveGenerateOptions } from '../options/generate.ts'
import { type IsolatedEngineOptions, resolveEngineOptions } from '../options/isolation.ts'
import { type ModelOptions, type ResolvedModelOptions, resolveModelOptions } from '../options/model.ts'
import { IsolatedEngine } from './isolated/engine.ts'

/**
 * Checks options of models that are opened later; nothing is made, and the disk is not asked.
 *
 * @throws {TypeError | RangeError} `ERR_OPTION` for what `new GPT4All(name, options)` would refuse
 */
export function checkModelOptions(options?: ModelOptions): void {
  const resolved = resolveModelOptions(options)
  const { isolated, modelPath } = resolved
  if (isolated && !(isolated instanceof IsolatedEngine))
    resolveEngineOptions(isolated as IsolatedEngineOptions)
  locateModel('model', modelPath) // refuses a bad folder
  locateBeside(resolved)
}

/** Where the draft model lies. @throws {TypeError} `ERR_OPTION` for a bad name of it or of an adapter */
export function locateBeside({
  lora,
  draftModel,
  modelPath,
}: Pick<ResolvedModelOptions, 'lora' | 'draftModel' | 'modelPath'>): ModelLocation | undefined {
  for (const [i, { path }] of lora.entries()) {
    const option = `lora[${i}].path`
    if (locateModel(path, modelPath, option).hub)
      throw optionError(
        option,
        'the name or path of a file on the disk',
        path,
        'as adapters are not downloaded',
      )
  }
  return draftModel === undefined ? undefined : locateModel(draftModel, modelPath, 'draftModel')
}

/**
 * The same for options of generations.
 *
 * @throws {TypeError | RangeError} `ERR_OPTION` for what `model.generate(prompt, options)` would refuse
 */
export function checkGenerateOptions(options?: GenerateOptions): void {
  resolveGenerateOptions(options)
}
