import { createHash } from 'node:crypto'
import { SessionFileError } from '../errors.ts'
import { RegularFile, withFileSync } from '../regular-file.ts'
import { besides, writeWhole } from '../whole-file.ts'
import { type ChatMessage, checkMessages } from './template.ts'

// A line of JSON, to be read by anyone, and behind it the bytes of the cache, where they were wanted.
const FORMAT = 'gpt4all-ts session'
const BEGINNING = `{"format":"${FORMAT}"`
const VERSION = 1
const LINE_FEED = 0x0a
const CHUNK = 2 ** 16
/** Longer than any conversation: what has no line feed by then is another kind of file. */
const MOST_JSON = 2 ** 28

/** A conversation as it lies in a file. */
export type SavedChat = {
  /** The model's name, for people. */
  readonly model: string
  /** What the tokens depend on, and what the cache does besides. */
  readonly modelHash: string
  readonly cacheHash: string
  readonly messages: readonly ChatMessage[]
  /** The messages bring their own system prompt, or want none. */
  readonly ownSystem: boolean
  /** Messages behind the system's that are left out of prompts, from the oldest on. */
  readonly skipped: number
  /** The end of the conversation as the model wrote it, where it can go on with that. */
  readonly lastAnswer?: { readonly raw: string; readonly enableThinking: boolean } | undefined
  readonly record: SavedRecord
  readonly state?: SavedStateInfo | undefined
}

/** See `TokenRecord`. */
export type SavedRecord = {
  readonly rendered: string
  readonly tokens: readonly number[]
  readonly cuts: readonly { readonly chars: number; readonly tokens: number }[]
}

/** The bytes behind the JSON: what the cache holds of `tokens`. */
type SavedStateInfo = {
  readonly bytes: number
  readonly tokens: readonly number[]
  /** See `Slot.inSlices`. */
  readonly inSlices: number
}

/** The first line of the file. */
export function headOf(chat: SavedChat): Buffer {
  const sha256 = hashOf(JSON.stringify(chat))
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, sha256, chat })}\n`)
}

/** Writes it beside `file` first, as `making`, so that there is never half of it. */
export async function writeSaved(
  file: string,
  head: Buffer,
  state: Uint8Array | undefined,
  making = besides(file),
): Promise<void> {
  try {
    await writeWhole(file, state ? [head, state] : [head], { isSynced: true, making })
  } catch (error) {
    throw new SessionFileError(`${file} cannot be written: ${(error as Error).message}`, file, {
      cause: error,
    })
  }
}

/** The conversation in `file`. Of its JSON only: `readState()` reads the rest. @throws {SessionFileError} */
export function readSaved(file: string): { readonly chat: SavedChat; readonly stateAt: number } {
  const line = readLine(file)
  const saved = parse(file, line)
  if (saved.format !== FORMAT) throw notSaved(file)
  if (saved.version !== VERSION)
    throw new SessionFileError(
      `${file} is of version ${saved.version} of the format; this library reads version ${VERSION}.`,
      file,
    )
  if (saved.sha256 !== hashOf(JSON.stringify(saved.chat) ?? ''))
    throw damaged(file, 'its checksum is another')
  check(file, saved.chat as SavedChat)
  return { chat: saved.chat as SavedChat, stateAt: line.length + 1 }
}

/** The bytes of the cache; `undefined` where they are not all there, or more than `most`. */
export async function readState(
  file: string,
  at: number,
  bytes: number,
  most: number,
): Promise<Uint8Array | undefined> {
  if (bytes > most) return undefined
  try {
    const saved = await RegularFile.open(file, unreadable(file))
    try {
      if (saved.bytes !== at + bytes) return undefined
      const state = Buffer.allocUnsafeSlow(bytes)
      return (await saved.fill(state, at)) === bytes ? state : undefined
    } finally {
      await saved.close()
    }
  } catch {
    return undefined // gone meanwhile
  }
}

function readLine(file: string): Buffer {
  return withFileSync(file, unreadable(file), (read) => {
    const chunks: Buffer[] = []
    for (let length = 0; length < MOST_JSON; ) {
      const chunk = Buffer.allocUnsafe(CHUNK)
      const piece = chunk.subarray(0, read(chunk))
      if (length === 0 && !mayBegin(piece)) throw notSaved(file)
      const end = piece.indexOf(LINE_FEED)
      chunks.push(end < 0 ? piece : piece.subarray(0, end))
      if (end >= 0) return Buffer.concat(chunks)
      if (piece.length === 0) break
      length += piece.length
    }
    throw damaged(file, 'it is cut off')
  })
}

/** Whether a file that begins so may be one of ours, whole or cut off: others are not read to their end. */
function mayBegin(piece: Buffer): boolean {
  const beginning = piece.toString('latin1', 0, BEGINNING.length)
  return BEGINNING.startsWith(beginning)
}

const unreadable = (file: string) => (why: string, cause?: NodeJS.ErrnoException) =>
  new SessionFileError(`${file} ${why}.`, file, { cause })

type Envelope = { format?: unknown; version?: unknown; sha256?: unknown; chat?: unknown }

function notSaved(file: string, cause?: unknown): SessionFileError {
  const message = `${file} is no session that save() has written. Messages in other files are given as "messages".`
  return new SessionFileError(message, file, { cause })
}

function parse(file: string, line: Buffer): Envelope {
  try {
    const saved: unknown = JSON.parse(line.toString())
    return typeof saved === 'object' && saved !== null ? saved : {}
  } catch (error) {
    throw notSaved(file, error)
  }
}

// A checksum is no proof that we wrote it.
function check(file: string, chat: SavedChat): void {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  const areCounts = (value: unknown) => Array.isArray(value) && value.every(isCount)
  try {
    const { record, state, lastAnswer } = chat
    checkMessages(chat.messages)
    const isFine =
      [chat.model, chat.modelHash, chat.cacheHash, record.rendered].every(
        (text) => typeof text === 'string',
      ) &&
      typeof chat.ownSystem === 'boolean' &&
      isCount(chat.skipped) &&
      areCounts(record.tokens) &&
      record.cuts.every(
        ({ chars, tokens }) =>
          isCount(chars) &&
          isCount(tokens) &&
          chars <= record.rendered.length &&
          tokens <= record.tokens.length,
      ) &&
      (lastAnswer === undefined ||
        (typeof lastAnswer.raw === 'string' && typeof lastAnswer.enableThinking === 'boolean')) &&
      (state === undefined || (isCount(state.bytes) && areCounts(state.tokens) && isCount(state.inSlices)))
    if (isFine) return
  } catch (error) {
    throw damaged(file, (error as Error).message)
  }
  throw damaged(file, 'something in it is of the wrong kind')
}

function damaged(file: string, reason: string): SessionFileError {
  return new SessionFileError(`${file} is damaged: ${reason}.`, file)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
