import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeModel, NativeSampler } from '../../src/native/contract.ts'
import { architectureModel } from './architectures.ts'
import { binding, folder, GREEDY, openModel } from './native-models.ts'
import { TINY_MODELS, TINY_VOCABULARY, type TinyModel } from './tiny-models.ts'

/** Models that are damaged in one token: whoever evaluates it gets logits that are not numbers. */

/** The token whose embedding is no numbers. */
export const SPOILT = 88

/** `name`: a tiny model, or an architecture. */
export async function openSpoilt(name: string): Promise<NativeModel> {
  const file = name in TINY_MODELS ? TINY_MODELS[name as TinyModel]() : architectureModel(name)
  // With an output of its own the token can be drawn.
  if (name === 'llama' || name === 'lfm2') file.tensor('output.weight', [32, TINY_VOCABULARY], 'Q8_0')
  const path = join(folder, `spoilt-${name}.gguf`)
  writeFileSync(path, file.spoil('token_embd.weight', SPOILT).bytes())
  return openModel(path)
}

/** Draws the token behind two others. */
export function drawingSpoilt(model: NativeModel): NativeSampler {
  return new binding.Sampler(model.info.vocabSize, {
    ...GREEDY,
    frequencyPenalty: 100,
    biasedTokens: Int32Array.of(50, 60, SPOILT),
    biases: Float32Array.of(1090, 1060, 1030),
  })
}
