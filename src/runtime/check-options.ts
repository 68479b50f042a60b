import { locateModel } from '../models/locate.ts'
import { type IsolatedEngineOptions, resolveEngineOptions } from '../options/distribution.ts'
import { type GenerateOptions, resolveGenerateOptions } from '../options/generate.ts'
import { type ModelOptions, resolveModelOptions } from '../options/model.ts'
import { IsolatedEngine } from './isolated/engine.ts'

/**
 * Checks options of models that are opened later; nothing is made, and the disk is not asked.
 *
 * @throws {TypeError | RangeError} `ERR_OPTION` for what `new GPT4All(name, options)` would refuse
 */
export function checkModelOptions(options?: ModelOptions): void {
  const { isolated, lora, draftModel, modelPath } = resolveModelOptions(options)
  if (isolated && !(isolated instanceof IsolatedEngine))
    resolveEngineOptions(isolated as IsolatedEngineOptions)
  for (const [i, { path }] of lora.entries()) locateModel(path, modelPath, `lora[${i}].path`)
  if (draftModel !== undefined) locateModel(draftModel, modelPath, 'draftModel')
}

/**
 * The same for options of generations.
 *
 * @throws {TypeError | RangeError} `ERR_OPTION` for what `model.generate(prompt, options)` would refuse
 */
export function checkGenerateOptions(options?: GenerateOptions): void {
  resolveGenerateOptions(options)
}
