import { optionError } from '../errors.ts'
import { translateFailure } from './failures.ts'
import type { NativeModel } from './types.ts'

/** Texts up to this length, in UTF-16 units, are tokenized at once: it takes less than a millisecond. */
const SHORT = 8192

const ANCHOR = '\n'

/** Tokenizes without ever holding the event loop for long. */
export async function encode(
  model: NativeModel,
  text: string,
  addSpecial: boolean,
  parseSpecial: boolean,
): Promise<Int32Array> {
  try {
    return text.length <= SHORT
      ? model.tokenize(text, addSpecial, parseSpecial)
      : await model.tokenizeAsync(text, addSpecial, parseSpecial)
  } catch (error) {
    throw translateFailure(error, 'Tokenizing')
  }
}

/**
 * Tokens of a text that stands behind another one, special tokens parsed. SentencePiece vocabularies put a space
 * before whatever they tokenize: a line feed, which merges with nothing there, takes that upon itself.
 */
export async function encodeMore(model: NativeModel, text: string): Promise<Int32Array> {
  const { metadata } = model.info
  const spaced =
    metadata['tokenizer.ggml.model'] === 'llama' && metadata['tokenizer.ggml.add_space_prefix'] !== 'false'
  if (!spaced) return encode(model, text, false, true)
  const before = await encode(model, ANCHOR, false, true)
  return (await encode(model, ANCHOR + text, false, true)).subarray(before.length)
}

/**
 * The text of token ids, special tokens written out.
 * @throws {TypeError | RangeError} `ERR_OPTION` for what is no id of this model
 */
export function decode(model: NativeModel, tokens: readonly number[]): string {
  const last = model.info.vocabSize - 1
  const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id > last)
  if (wrong !== undefined) throw optionError('tokens', `integers from 0 to ${last}`, wrong)
  try {
    const bytes = model.detokenize(Int32Array.from(tokens), true)
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw translateFailure(error, 'Detokenizing')
  }
}

/** The bytes of a token's text, none for control tokens; remembers what it has asked for. */
export function pieceReader(model: NativeModel): (token: number) => Uint8Array {
  const known = new Map<number, Uint8Array>()
  return (token) => {
    let bytes = known.get(token)
    if (!bytes) {
      try {
        bytes = model.tokenBytes(token, false)
      } catch (error) {
        throw translateFailure(error, 'The model')
      }
      known.set(token, bytes)
    }
    return bytes
  }
}
