import { strict as assert } from 'node:assert'
import { basename } from 'node:path'
import { isHubName } from '../models/hub/name.ts'
import { DEFAULT_DIRECTORY, DEFAULT_LIBRARIES_DIRECTORY, DEFAULT_MODEL_CONFIG } from './common/constants.ts'
import { given } from './common/options.ts'
import type { EmbeddingModelOptions, InferenceModelOptions } from './common/types.ts'
import { warn } from './common/warn.ts'
import { EmbeddingModel } from './embedding-model.ts'
import { findModel, withExtension, worded } from './files.ts'
import { InferenceModel } from './inference-model.ts'
import { LLModel } from './llmodel.ts'

/**
 * Opens a model by name, after downloading it if it is not there. A model that no list has a template for uses the one in
 * its file.
 *
 * @throws what `GPT4All.load()` and `Embed4All.load()` reject with, and `Error` for a type that does not exist
 */
export function loadModel(modelName: string, options?: InferenceModelOptions): Promise<InferenceModel>
export function loadModel(modelName: string, options?: EmbeddingModelOptions): Promise<EmbeddingModel>
export function loadModel(
  modelName: string,
  options?: EmbeddingModelOptions | InferenceModelOptions,
): Promise<InferenceModel | EmbeddingModel>
export async function loadModel(
  modelName: string,
  options: EmbeddingModelOptions | InferenceModelOptions = {},
): Promise<InferenceModel | EmbeddingModel> {
  const {
    modelPath = DEFAULT_DIRECTORY,
    librariesPath = DEFAULT_LIBRARIES_DIRECTORY,
    type = 'inference',
    allowDownload = true,
    verbose = false,
    device = 'cpu',
    nCtx = 2048,
    ngl = 100,
    modelConfigFile,
  } = given<InferenceModelOptions | EmbeddingModelOptions>(options)
  if (type !== 'inference' && type !== 'embedding') throw new Error(`Invalid model type: ${type}`)
  assert.ok(typeof librariesPath === 'string', 'Libraries path should be a string')
  const { config, hasTemplate } = await findModel(modelName, {
    modelPath,
    allowDownload,
    verbose,
    ...(modelConfigFile && { modelConfigFile }),
  })
  const llm = new LLModel(
    {
      model_name: isHubName(modelName) ? basename(config.path) : withExtension(modelName),
      model_path: modelPath,
      library_path: librariesPath,
      device,
      nCtx,
      ngl,
    },
    { path: config.path, type, verbose },
  )
  await llm.open().catch((error: unknown) => {
    throw worded(error, modelName)
  })
  if (type === 'embedding') return new EmbeddingModel(llm, config)
  const own = hasTemplate ? undefined : await llm.ownTemplate()
  const isDefault =
    own?.promptTemplate.startsWith(DEFAULT_MODEL_CONFIG.promptTemplate.replace('%1', '%1')) ?? true
  if (isDefault && !hasTemplate) warn(`Failed to load model config for ${modelName}. Using defaults.`)
  const { promptTemplate, systemPrompt } = own ?? config
  return new InferenceModel(
    llm,
    { ...config, promptTemplate, systemPrompt: config.systemPrompt || systemPrompt },
    own,
  )
}
