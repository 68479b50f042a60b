import { damaged } from './bytes.ts'
import { type Metadata, text, unsupported } from './model.ts'

/** Values of `general.type` for files that are not a model of their own. */
const NO_MODEL: ReadonlyMap<string, string> = new Map([
  ['adapter', 'a LoRA adapter, which needs its base model'],
  ['mmproj', 'the vision part (mmproj) of a model'],
  ['imatrix', 'an importance matrix'],
])

/**
 * Architectures that llama.cpp knows but that cannot be used as language models: for some of them it aborts.
 */
const NO_LANGUAGE_MODEL: ReadonlyMap<string, string> = new Map([
  ['clip', 'the vision part (mmproj) of a model'],
  ['wavtokenizer-dec', 'a sound decoder'],
  ['pockettts', 'a speech model'],
  ['qwen3tts', 'a speech model'],
  ['eagle3', 'a draft head, which needs its target model'],
  ['dflash', 'a draft head, which needs its target model'],
  ['gemma4-assistant', 'a draft head, which needs its target model'],
  ['plm', 'a PLM model, which this llama.cpp cannot compute (it aborts)'],
])

/** @throws {ModelError} if the file is not a language model or does not say what it is */
export function architectureOf(path: string, metadata: Metadata): string {
  const type = text(path, metadata, 'general.type') ?? 'model'
  const architecture = text(path, metadata, 'general.architecture')
  const other = NO_MODEL.get(type) ?? NO_LANGUAGE_MODEL.get(architecture ?? '')
  if (other !== undefined) throw unsupported(path, `holds ${other}, not a language model`)
  if (architecture === undefined || architecture === '')
    throw damaged(path, 'it does not say its architecture ("general.architecture")')
  return architecture
}
