import { optionError } from '../core/errors.ts'
import type { NativeMarkedText, NativeMarks, NativeModel, NativeModelInfo } from './contract.ts'
import { translateFailure } from './failures.ts'
import { settled } from './job.ts'

/** Texts up to this length, in UTF-16 units, are tokenized at once: byte vocabularies take less than 1 ms. */
const SHORT = 8192
/** Other vocabularies look up many more texts for each character, and so do all with very long tokens. */
const SHORT_FOR_OTHERS = 256
const LONG_TOKEN = 1024

const ANCHOR = '\n'

const NO_MARKS: NativeMarks = { cut: '', open: '', close: '' }

/** The token ids of one text, without ever blocking the event loop for long. */
export async function encode(
  model: NativeModel,
  text: string,
  addSpecial: boolean,
  parseSpecial: boolean,
  signal?: AbortSignal,
): Promise<Int32Array> {
  return tokenize(model, { text, ...NO_MARKS, begins: true, addSpecial, parseSpecial, anchor: '' }, signal)
}

/** The token ids of a text that follows another one. */
export async function encodeNext(
  model: NativeModel,
  text: string,
  parseSpecial: boolean,
): Promise<Int32Array> {
  const anchor = anchorOf(model)
  return tokenize(
    model,
    { text, ...NO_MARKS, begins: false, addSpecial: false, parseSpecial, anchor },
    undefined,
  )
}

/** The same as `encode()`, at once: a long text holds the event loop up. */
export function encodeNow(
  model: NativeModel,
  text: string,
  addSpecial: boolean,
  parseSpecial: boolean,
): Int32Array {
  try {
    return model.tokenizeMarked({ text, ...NO_MARKS, begins: true, addSpecial, parseSpecial, anchor: '' })
  } catch (error) {
    throw translateFailure(error, 'Tokenizing')
  }
}

/**
 * The token ids of a prompt, control tokens parsed; or, without `begins`, of text that follows one.
 * SentencePiece vocabularies put a space before any text: a line feed in front, which does not merge, gets it
 * instead.
 */
export async function encodePrompt(
  model: NativeModel,
  text: string,
  marks: NativeMarks,
  begins: boolean,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const anchor = anchorOf(model)
  return tokenize(model, { text, ...marks, begins, addSpecial: true, parseSpecial: true, anchor }, signal)
}

async function tokenize(
  model: NativeModel,
  text: NativeMarkedText,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  try {
    return text.text.length <= mostAtOnce(model.info)
      ? model.tokenizeMarked(text)
      : await settled(model.tokenizeLater(text), signal)
  } catch (error) {
    throw translateFailure(error, 'Tokenizing')
  }
}

function mostAtOnce({ metadata, longestToken }: NativeModelInfo): number {
  const isUsual = ['gpt2', 'llama'].includes(metadata['tokenizer.ggml.model'] ?? '')
  return isUsual && longestToken <= LONG_TOKEN ? SHORT : SHORT_FOR_OTHERS
}

function anchorOf({ info: { metadata } }: NativeModel): string {
  const putsSpaces =
    metadata['tokenizer.ggml.model'] === 'llama' && metadata['tokenizer.ggml.add_space_prefix'] !== 'false'
  return putsSpaces ? ANCHOR : ''
}

/**
 * The least number of tokens of a text, from its length alone: a text that cannot fit into a context need not
 * be tokenized to find that out. 0 if the vocabulary does not show it.
 */
export function leastTokens({ longestToken, stripsWhiteSpace }: NativeModelInfo, text: string): number {
  if (longestToken === 0) return 0
  const bytes = Buffer.byteLength(stripsWhiteSpace ? text.replace(/\s+/g, '') : text)
  return Math.ceil(bytes / longestToken)
}

/**
 * The text of token ids, special tokens written out.
 * @throws {TypeError | RangeError} `ERR_OPTION` for anything but ids of this model
 */
export async function decode(model: NativeModel, tokens: readonly number[]): Promise<string> {
  checkTokens('tokens', tokens, model.info)
  const ids = Int32Array.from(tokens)
  try {
    const bytes =
      ids.length <= SHORT ? model.detokenize(ids, true) : await model.detokenizeLater(ids, true).promise
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw translateFailure(error, 'Detokenizing')
  }
}

/** @throws {TypeError | RangeError} `ERR_OPTION` for anything but ids of this model */
export function checkTokens(
  name: string,
  tokens: readonly number[] | Int32Array,
  { vocabSize }: NativeModelInfo,
): void {
  const last = vocabSize - 1
  const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id > last)
  if (wrong !== undefined) throw optionError(name, `integers from 0 to ${last}`, wrong)
}

/** Reads the bytes of a token's text, none for control tokens, and remembers them. */
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
