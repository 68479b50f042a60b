import { createHash } from 'node:crypto'
import { setImmediate as nextTurnOfLoop } from 'node:timers/promises'
import { messageOf, SessionFileError } from '../../core/errors.ts'
import { type JsonLimits, JsonShape } from '../../core/json-shape.ts'
import { type ChatMessage, checkMessages } from '../../core/messages.ts'
import { RegularFile, withFileSync } from '../../core/regular-file.ts'
import { besides, writeWhole } from '../../core/whole-file.ts'

// A line of JSON, for anyone to read, followed by the bytes of the cache where these were asked for.
const FORMAT = 'gpt4all-ts session'
const BEGINNING = `{"format":"${FORMAT}"`
const VERSION = 1
const LINE_FEED = 0x0a
const END = 0x7d // }
const CHUNK = 2 ** 16
/**
 * Longer than conversations of half a million tokens: a file without a line feed by then is of another kind.
 * Reading blocks the event loop, and the file may be a stranger's.
 */
const MOST_JSON = 2 ** 24
/** Room for 13,000 messages, and twice for a context of half a million tokens. */
const LIMITS: JsonLimits = { depth: 8, parts: 100_000, numbers: 1_000_000 }
/** Bytes of a state that are hashed before the event loop gets its turn. */
const PIECE = 2 ** 22

/** A conversation as it is stored in a file. */
export type SavedChat = {
  /** The model's name, for people. */
  readonly model: string
  /** Hashes of what the tokens depend on, and of what the cache depends on besides. */
  readonly modelHash: string
  readonly cacheHash: string
  readonly messages: readonly ChatMessage[]
  /** The messages bring their own system prompt, or are to have none. */
  readonly ownSystem: boolean
  /** How many messages after the system message are left out of prompts, from the oldest on. */
  readonly skipped: number
  /** The end of the conversation as the model wrote it, where the model can continue that. */
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

/** The bytes after the JSON: what the cache holds of `tokens`. */
type SavedStateInfo = {
  readonly bytes: number
  readonly sha256: string
  readonly tokens: readonly number[]
  /** See `Slot.inSlices`. */
  readonly inSlices: number
}

/** A file's content, as it was read. */
export type SavedFile = {
  /** Path of the file. */
  readonly file: string
  readonly chat: SavedChat
  /** Hash of `chat`. */
  readonly sha256: string
  /** Signature of `sha256`, made when the file was saved; taken from the file unchecked. */
  readonly signature: string
  /** Where the state begins. */
  readonly stateAt: number
}

/**
 * The first line of the file; `sign` signs the hash of `chat`. The hash is that of the text as it stands in
 * the file, so that it can be checked before any of it is parsed.
 */
export async function headOf(chat: SavedChat, sign: (sha256: string) => Promise<string>): Promise<Buffer> {
  const text = Buffer.from(JSON.stringify(chat))
  const sha256 = hashOf(text)
  const signature = await sign(sha256)
  const envelope = JSON.stringify({ format: FORMAT, version: VERSION, sha256, signature })
  return Buffer.concat([Buffer.from(`${envelope.slice(0, -1)},"chat":`), text, Buffer.from('}\n')])
}

/** The hash of a state, which may be large. */
export async function hashOfState(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += PIECE) {
    hash.update(bytes.subarray(at, at + PIECE))
    await nextTurnOfLoop()
  }
  return hash.digest('hex')
}

/** Writes to `making`, a file beside `file`, first, so that `file` is always whole. */
export async function writeSaved(
  file: string,
  head: Buffer,
  state: Uint8Array | undefined,
  making = besides(file),
): Promise<void> {
  try {
    if (head.length > MOST_JSON) throw new Error('it would be longer than what can be read back')
    new JsonShape(LIMITS, (what) => new Error(`it would have ${what}`)).add(head)
    await writeWhole(file, state ? [head, state] : [head], { isSynced: true, making })
  } catch (error) {
    throw new SessionFileError(`${file} cannot be written: ${messageOf(error)}`, file, {
      cause: error,
    })
  }
}

/** The conversation in `file`, without its state, which `readState()` reads. @throws {SessionFileError} */
export function readSaved(file: string): SavedFile {
  const line = readLine(file)
  const { chatAt, sha256, signature } = envelopeOf(file, line)
  const text = line.subarray(chatAt, -1)
  if (sha256 !== hashOf(text)) throw damaged(file, 'its checksum does not match')
  const chat = parse(file, text)
  check(file, chat as SavedChat)
  return { file, chat: chat as SavedChat, sha256, signature, stateAt: line.length + 1 }
}

/**
 * The bytes of the cache; `undefined` where they are incomplete, do not match their hash, or are more than
 * `most`. For files of this user only.
 */
export async function readState(
  file: string,
  at: number,
  { bytes, sha256 }: SavedStateInfo,
  most: number,
): Promise<Uint8Array | undefined> {
  if (bytes > most) return undefined
  try {
    const saved = await RegularFile.open(file, unreadable(file))
    try {
      if (saved.bytes !== at + bytes) return undefined
      const state = Buffer.allocUnsafeSlow(bytes)
      if ((await saved.fill(state, at)) !== bytes) return undefined
      return (await hashOfState(state)) === sha256 ? state : undefined
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

/**
 * Whether a file that begins with `piece` may be one of ours, whole or cut off: others are not read to their
 * end.
 */
function mayBegin(piece: Buffer): boolean {
  const beginning = piece.toString('latin1', 0, BEGINNING.length)
  return BEGINNING.startsWith(beginning)
}

const unreadable = (file: string) => (why: string, cause?: NodeJS.ErrnoException) =>
  new SessionFileError(`${file} ${why}.`, file, { cause })

type Envelope = {
  readonly sha256: string
  readonly signature: string
  /** Where the text of the conversation begins in the line. */
  readonly chatAt: number
}

/** Files from before signatures existed have none; strangers may have written anything in their place. */
const ENVELOPE = /^"version":1,"sha256":"([0-9a-f]{64})",(?:"signature":(?:"(\w{0,99})"|[^,]{0,99}),)?"chat":/
/** More bytes than an envelope has. */
const MOST_ENVELOPE = 512

/** What surrounds the conversation, as `headOf()` writes it. */
function envelopeOf(file: string, line: Buffer): Envelope {
  const beginning = line.toString('latin1', 0, MOST_ENVELOPE)
  if (!beginning.startsWith(`${BEGINNING},`)) throw notSaved(file)
  const behind = beginning.slice(BEGINNING.length + 1)
  const version = /^"version":(\d{1,9})\b/.exec(behind)?.[1]
  if (version !== String(VERSION)) {
    const found = version === undefined ? 'an unknown version' : `version ${version}`
    throw new SessionFileError(
      `${file} is in ${found} of the format; this library reads version ${VERSION}.`,
      file,
    )
  }
  const [found = '', sha256, signature = ''] = ENVELOPE.exec(behind) ?? []
  if (sha256 === undefined) throw damaged(file, 'it has no checksum')
  if (line.at(-1) !== END) throw damaged(file, 'its end is wrong')
  return { sha256, signature, chatAt: BEGINNING.length + 1 + found.length }
}

function notSaved(file: string, cause?: unknown): SessionFileError {
  const message = `${file} is not a session that save() has written. Pass messages from other files as "messages".`
  return new SessionFileError(message, file, { cause })
}

function parse(file: string, text: Buffer): unknown {
  new JsonShape(LIMITS, (what) => damaged(file, `it has ${what}, which no conversation has`)).add(text)
  try {
    return JSON.parse(text.toString())
  } catch (error) {
    throw notSaved(file, error)
  }
}

// A matching checksum does not prove that we wrote the file.
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
      (state === undefined ||
        (isCount(state.bytes) &&
          typeof state.sha256 === 'string' &&
          areCounts(state.tokens) &&
          isCount(state.inSlices)))
    if (isFine) return
  } catch (error) {
    throw damaged(file, messageOf(error))
  }
  throw damaged(file, 'something in it has the wrong type')
}

function damaged(file: string, reason: string): SessionFileError {
  return new SessionFileError(`${file} is damaged: ${reason}.`, file)
}

function hashOf(text: Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}
