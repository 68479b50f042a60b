import { ModelError } from '../../core/errors.ts'
import { type Refuse, RegularFile } from '../../core/regular-file.ts'
import { isOldMagic } from './old-magics.ts'

const CHUNK_BYTES = 1024 * 1024
/** llama.cpp accepts 1 GiB. */
export const MAX_STRING_BYTES = 16 * 1024 * 1024
/** Real headers have some 20 MiB. A sparse file takes no room on the disk, however long it is. */
export const MAX_HEADER_BYTES = 2 ** 30

/** `ERR_MODEL_DAMAGED`: `detail` says which field is wrong and how. */
export function damaged(path: string, detail: string): ModelError {
  return new ModelError(
    'ERR_MODEL_DAMAGED',
    `${path} is damaged: ${detail}. Delete it, and download it again.`,
    path,
  )
}

/** For `RegularFile`: a model file that cannot be read. */
export const unreadable =
  (path: string): Refuse =>
  (why, cause) =>
    cause?.code === 'ENOENT' || cause?.code === 'ENOTDIR'
      ? new ModelError('ERR_MODEL_NOT_FOUND', `There is no model file at ${path}.`, path, { cause })
      : new ModelError('ERR_MODEL_UNREADABLE', `${path} ${why}.`, path, { cause })

/** The error for a file that was replaced or written to after it was checked. */
export function changed(path: string): ModelError {
  const message = `${path} changed while it was opened. Open it again once nothing writes to it.`
  return new ModelError('ERR_MODEL_UNREADABLE', message, path)
}

/** Opens a model file, which the caller closes. Later failures are `ModelError`s too. */
export const openFile = (path: string): Promise<RegularFile> => RegularFile.open(path, unreadable(path))

/** A window that slides over the file: at most one chunk or one long value is in memory. */
export class ByteReader {
  readonly path: string
  readonly fileBytes: number
  /** The available bytes are `bytes[at, end)`. */
  bytes = Buffer.allocUnsafe(CHUNK_BYTES)
  at = 0
  end = 0
  readonly #file: RegularFile
  readonly #signal: AbortSignal | undefined
  /** Position in the file of `bytes[0]`. */
  #base = 0

  readonly #mostBytes: number

  /**
   * `mostBytes` limits the header; old formats have no separate header, but data between the tensors' names.
   */
  constructor(
    file: RegularFile,
    path: string,
    signal: AbortSignal | undefined,
    mostBytes = Number.POSITIVE_INFINITY,
  ) {
    this.#mostBytes = mostBytes
    this.#file = file
    this.path = path
    this.fileBytes = file.bytes
    this.#signal = signal
  }

  get offset(): number {
    return this.#base + this.at
  }

  get remaining(): number {
    return this.fileBytes - this.offset
  }

  has(count: number): boolean {
    return this.end - this.at >= count
  }

  /** Throws where the file ends before the next `count` bytes, which are available otherwise. */
  expect(count: number, what: string): void {
    if (!this.has(count)) throw this.#ended(what)
  }

  /** Makes the next `count` bytes available; `what` names them in the error for a file that ends earlier. */
  async need(count: number, what: string): Promise<void> {
    if (this.has(count)) return
    this.#signal?.throwIfAborted()
    if (count > this.remaining) throw this.#ended(what)
    this.checkHeader(count)
    if (count > this.bytes.length) {
      const larger = Buffer.allocUnsafe(count)
      this.bytes.copy(larger, 0, this.at, this.end)
      this.#base += this.at
      this.end -= this.at
      this.bytes = larger
    } else {
      this.bytes.copyWithin(0, this.at, this.end)
      this.#base += this.at
      this.end -= this.at
    }
    this.at = 0
    while (!this.has(count)) {
      const { bytesRead } = await this.#file.read(
        this.bytes,
        this.end,
        this.bytes.length - this.end,
        this.#base + this.end,
      )
      if (bytesRead === 0) throw this.#ended(what)
      this.end += bytesRead
    }
  }

  /** Moves on without reading. */
  skip(count: number): void {
    if (this.has(count)) {
      this.at += count
      return
    }
    this.checkHeader(count)
    this.#base = this.offset + count
    this.at = 0
    this.end = 0
  }

  u32(): number {
    this.at += 4
    return this.bytes.readUInt32LE(this.at - 4)
  }

  /** An unsigned 64-bit number; rounded above 2^53, but every limit here is far below that. */
  u64(): number {
    const { bytes, at } = this
    this.at += 8
    return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at)
  }

  latin1(count: number): string {
    this.at += count
    return this.bytes.toString('latin1', this.at - count, this.at)
  }

  utf8(count: number): string {
    this.at += count
    return this.bytes.toString('utf8', this.at - count, this.at)
  }

  async string(what: string, most = MAX_STRING_BYTES): Promise<string> {
    if (!this.has(8)) await this.need(8, `the length of ${what}`)
    const length = this.u64()
    this.checkString(length, what, most)
    if (!this.has(length)) await this.need(length, what)
    return this.utf8(length)
  }

  checkString(length: number, what: string, most = MAX_STRING_BYTES): void {
    if (length > this.remaining)
      throw damaged(
        this.path,
        `${what} claims ${length} bytes, but only ${this.remaining} are left in the file`,
      )
    if (length > most) throw damaged(this.path, `${what} claims ${length} bytes, more than any real one has`)
  }

  /** Whether `count` more bytes can belong to a header. */
  checkHeader(count: number): void {
    if (this.offset + count > this.#mostBytes)
      throw damaged(this.path, 'its header has more than 1 GiB, more than any real one')
  }

  #ended(what: string): ModelError {
    return damaged(this.path, `the file ends in ${what}; it has ${this.fileBytes} bytes (truncated)`)
  }
}

/** Reads magic and version. */
export async function readMagic(bytes: ByteReader): Promise<number> {
  const { path, fileBytes } = bytes
  if (fileBytes === 0)
    throw new ModelError(
      'ERR_NOT_GGUF',
      `${path} is empty (0 bytes). Delete it, and download it again.`,
      path,
    )
  await bytes.need(Math.min(fileBytes, 512), 'its first bytes')
  // Past the end of the file, the buffer has its earlier content.
  const magic = bytes.bytes.toString('latin1', 0, Math.min(4, bytes.end))
  if (magic !== 'GGUF') {
    const kind = looksLike(bytes.bytes.subarray(0, bytes.end))
    throw new ModelError('ERR_NOT_GGUF', `${path} is not a GGUF file${kind}.`, path)
  }
  await bytes.need(8, 'its version')
  bytes.at = 4
  const version = bytes.u32()
  if (version === 2 || version === 3) return version
  const unsupported = (what: string) => new ModelError('ERR_MODEL_UNSUPPORTED', `${path} is ${what}.`, path)
  if (version === 1) throw unsupported('GGUF version 1, which llama.cpp no longer reads: convert it again')
  if (version !== 0 && (version & 0xffff) === 0)
    throw unsupported('a big-endian GGUF; only little-endian ones can be used')
  if (version > 3 && version < 256)
    throw unsupported(`GGUF version ${version}, which is newer than version 3`)
  throw damaged(path, `its version is ${version}`)
}

/** Names what a file without the GGUF magic probably is, and what to do about it. */
export function looksLike(head: Buffer): string {
  const text = head.toString('latin1')
  const magic = text.slice(0, 4)
  if (magic === 'FUGG') return ': its magic is byte-swapped (big-endian)'
  if (isOldMagic(magic)) return ' but an old ggml file (.bin), which is converted when it is loaded'
  if (magic.startsWith('PK')) return ' but a zip archive or PyTorch checkpoint: convert it to GGUF'
  if (text[8] === '{' && head.readUIntLE(0, 6) < 2 ** 32)
    return " but looks like safetensors: convert it with llama.cpp's convert_hf_to_gguf.py, an adapter with convert_lora_to_gguf.py"
  if (text.startsWith('version https://git-lfs'))
    return ' but a git-lfs pointer: run "git lfs pull" or download the file itself'
  if (/^\s*(<!doctype html|<html|<\?xml)/i.test(text)) return ' but a web page: the download went wrong'
  if (/^\s*\{/.test(text)) return ' but JSON: the download went wrong'
  return ', nor a file of another kind that this library knows'
}

/** llama.cpp compares names up to their first zero byte, so one with more after it would pass for another. */
export function checkName(path: string, name: string, what: string): void {
  if (name === '') throw damaged(path, `${what} is empty`)
  if (name.includes('\0')) throw damaged(path, `${what} holds a zero byte`)
}
