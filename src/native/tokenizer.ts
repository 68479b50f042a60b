import { optionError } from '../errors.ts'
import { translateFailure } from './failures.ts'
import type { NativeJob, NativeModel, NativeModelInfo } from './types.ts'

/** Texts up to this length, in UTF-16 units, are tokenized at once: it takes less than a millisecond. */
const SHORT = 8192
/** The same of pieces of a text, and of token ids. */
const FEW = 64

const ANCHOR = '\n'

/** A piece of a text that is tokenized by itself. */
export type TextPiece = {
  readonly text: string
  /** What looks like a control token in it is text. */
  readonly isLiteral: boolean
}

/** The token ids of one text, without ever holding the event loop for long. */
export async function encode(
  model: NativeModel,
  text: string,
  addSpecial: boolean,
  parseSpecial: boolean,
  signal?: AbortSignal,
): Promise<Int32Array> {
  return tokenizing(async () =>
    text.length <= SHORT
      ? model.tokenize(text, addSpecial, parseSpecial)
      : await settled(model.tokenizePieces([{ text, parseSpecial }], true, addSpecial, ''), signal),
  )
}

/**
 * The token ids of a prompt's pieces, control tokens parsed but in literal ones. The first piece `begins` the prompt, or
 * stands behind more of it, as all others do. SentencePiece vocabularies put a space before whatever they tokenize: a
 * line feed, which merges with nothing there, takes that upon itself.
 */
export async function encodePieces(
  model: NativeModel,
  pieces: readonly TextPiece[],
  begins: boolean,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const anchor = putsSpaces(model.info) ? ANCHOR : ''
  const length = pieces.reduce((sum, { text }) => sum + text.length, 0)
  const [only] = pieces
  return tokenizing(async () => {
    if (length <= SHORT && only && pieces.length === 1 && (begins || anchor === ''))
      return model.tokenize(only.text, begins, !only.isLiteral)
    if (length <= SHORT && pieces.length <= FEW) return encodeNow(model, pieces, begins, anchor)
    const parsed = pieces.map(({ text, isLiteral }) => ({ text, parseSpecial: !isLiteral }))
    return settled(model.tokenizePieces(parsed, begins, true, anchor), signal)
  })
}

function encodeNow(
  model: NativeModel,
  pieces: readonly TextPiece[],
  begins: boolean,
  anchor: string,
): Int32Array {
  const known = anchor === '' ? 0 : model.tokenize(anchor, false, true).length
  return Int32Array.from(
    pieces.flatMap(({ text, isLiteral }, i) =>
      i === 0 && begins
        ? [...model.tokenize(text, true, !isLiteral)]
        : [...model.tokenize(anchor + text, false, !isLiteral).subarray(known)],
    ),
  )
}

function putsSpaces({ metadata }: NativeModelInfo): boolean {
  return (
    metadata['tokenizer.ggml.model'] === 'llama' && metadata['tokenizer.ggml.add_space_prefix'] !== 'false'
  )
}

/**
 * Tokens that a text has at least, from its length alone: what cannot fit into a context need not be tokenized to find that
 * out. 0 where the vocabulary does not allow to tell.
 */
export function leastTokens({ longestToken, stripsWhiteSpace }: NativeModelInfo, text: string): number {
  if (longestToken === 0) return 0
  const bytes = Buffer.byteLength(stripsWhiteSpace ? text.replace(/\s+/g, '') : text)
  return Math.ceil(bytes / longestToken)
}

/**
 * The text of token ids, special tokens written out.
 * @throws {TypeError | RangeError} `ERR_OPTION` for what is no id of this model
 */
export async function decode(model: NativeModel, tokens: readonly number[]): Promise<string> {
  checkTokens('tokens', tokens, model.info)
  const ids = Int32Array.from(tokens)
  try {
    const bytes =
      ids.length <= SHORT ? model.detokenize(ids, true) : await model.detokenizeAsync(ids, true).promise
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw translateFailure(error, 'Detokenizing')
  }
}

/** @throws {TypeError | RangeError} `ERR_OPTION` for what is no id of this model */
export function checkTokens(name: string, tokens: readonly number[], { vocabSize }: NativeModelInfo): void {
  const last = vocabSize - 1
  const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id > last)
  if (wrong !== undefined) throw optionError(name, `integers from 0 to ${last}`, wrong)
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

async function tokenizing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw translateFailure(error, 'Tokenizing')
  }
}

/** What becomes of a job; it is given up, with the signal's reason, when that aborts. */
async function settled<T>({ promise, cancel }: NativeJob<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.addEventListener('abort', cancel, { once: true })
  if (signal?.aborted) cancel()
  try {
    return await promise
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
