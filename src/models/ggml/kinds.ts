import { ModelError } from '../../core/errors.ts'
import { successorOf } from '../catalog/successors.ts'
import { OLD_MAGICS } from '../gguf/old-magics.ts'

/**
 * What an old file holds if it is not a LLaMA model, from its magic and the numbers after it. Other models
 * share LLaMA's magics: GPT-J and StarCoder files give the size of their vocabulary twice, and Falcon files
 * have the number of heads elsewhere.
 */
export function foreignKind(magic: string, numbers: readonly number[]): string | undefined {
  const other = OLD_MAGICS.get(magic)
  if (other !== undefined) return other
  const [vocabulary = 0, width = 0, , heads = 0, , rotated = 0] = numbers
  if (rotated * heads === width) return undefined
  if (magic === 'tjgg' && vocabulary >= 65_024 && vocabulary <= 65_100) return 'a Falcon model'
  if (magic === 'lmgg' && numbers[7] === vocabulary) return 'a GPT-J model'
  if (magic === 'lmgg' && numbers[6] === vocabulary) return 'a StarCoder or GPT-2 model'
  return 'another model than LLaMA'
}

/** The same, by a tensor's name. */
export function foreignTensor(name: string): string {
  if (/word_embeddings|self_attention\.query_key_value/.test(name)) return 'a Falcon model'
  if (/^gpt_neox\./.test(name)) return 'a GPT-NeoX model'
  if (/^model\/(wte|h\d)/.test(name)) return 'a StarCoder or GPT-2 model'
  if (/^transformer\.(wte|blocks|h)\b/.test(name)) return 'a GPT-J or MPT model'
  return `another model than LLaMA (it has a tensor ${JSON.stringify(name.slice(0, 60))})`
}

/** `ERR_MODEL_UNSUPPORTED`: what the file is, and what to use instead. */
export function cannotConvert(path: string, what: string): ModelError {
  const successor = successorOf(path)?.filename
  const instead = successor
    ? `GPT4All publishes ${successor} in its place: GPT4All.load(${JSON.stringify(successor)}) downloads it.`
    : 'Get the model as GGUF.'
  return new ModelError('ERR_MODEL_UNSUPPORTED', `${path} is an old ggml file with ${what}. ${instead}`, path)
}
