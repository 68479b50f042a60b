import { basename } from 'node:path'
import type { DeviceFallback } from '../core/errors.ts'
import type { Weights } from '../loading/open.ts'
import type { ModelConfig, ModelFacts } from './model.ts'

/** What is known of a model whose weights are loaded. */
export function factsOf({
  weights,
  fallbacks,
}: {
  readonly weights: Weights
  readonly fallbacks: readonly DeviceFallback[]
}): ModelFacts {
  const { native, gpus } = weights
  return {
    backend: gpus[0]?.backend ?? 'cpu',
    device: gpus.length > 0 ? gpus.map(({ description }) => description).join(', ') : undefined,
    sharesWeights: native.info.shared,
    fallbacks,
    config: configOf(weights),
  }
}

function configOf({ native, header }: Weights): ModelConfig {
  const { info } = native
  return {
    filename: basename(header.path),
    path: header.path,
    filesize: header.fileBytes,
    name: info.metadata['general.name'] ?? basename(header.path),
    architecture: header.architecture,
    description: info.description,
    parameters: info.parameters,
    trainedContextSize: info.trainedContextSize,
    vocabularySize: info.vocabSize,
    chatTemplate: info.metadata['tokenizer.chat_template'],
    metadata: info.metadata,
  }
}
