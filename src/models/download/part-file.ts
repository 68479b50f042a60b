import { createHash, type Hash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from '../../core/errors.ts'
import { type JsonLimits, parseWithin } from '../../core/json-shape.ts'
import type { Progress } from '../../core/progress.ts'
import { AT_ONCE, readBytes } from '../../core/regular-file.ts'
import { writeWhole } from '../../core/whole-file.ts'
import { type Checksum, hashFile } from './checksum.ts'
import { missingSpace } from './disk-space.ts'

/** Stored beside a partial file, to know later whether it can be resumed. */
type PartNote = {
  /** The file's address, as it may be shown. */
  readonly url: string
  readonly etag: string | undefined
  readonly size: number | undefined
  /** The expected checksum of the whole file. */
  readonly digest: string | undefined
}

/** After this many bytes they are synced to the disk, so that little is left to wait for at the end. */
const SYNC_EVERY = 64 * 2 ** 20

/** Following a link would write to another file; Windows does not have this flag. */
const FLAGS = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0) | AT_ONCE
const NEW = FLAGS | constants.O_CREAT | constants.O_EXCL

/** A note has an address, an ETag, a size and a checksum. */
const MOST_NOTE = 2 ** 20
const LIMITS_OF_NOTE: JsonLimits = { depth: 1, parts: 16, numbers: 4 }

/**
 * After this long without a write another process may have taken our place: less than the smallest `staleMs`.
 */
const STOOD_STILL_MS = 1000

/** A file being downloaded, named `target.part`, and its checksum so far. One process at a time owns it. */
export class PartFile {
  readonly #path: string
  readonly #notePath: string
  readonly #algorithm: Checksum['algorithm'] | undefined
  readonly #file: FileHandle
  #hash: Hash | undefined
  #length = 0
  #writtenAt = 0
  #unsynced = 0
  #syncing: Promise<void> | undefined

  private constructor(target: string, algorithm: Checksum['algorithm'] | undefined, file: FileHandle) {
    this.#path = `${target}.part`
    this.#notePath = `${target}.part.json`
    this.#algorithm = algorithm
    this.#file = file
    this.#hash = algorithm && createHash(algorithm)
  }

  static async open(target: string, algorithm: Checksum['algorithm'] | undefined): Promise<PartFile> {
    const path = `${target}.part`
    return new PartFile(target, algorithm, (await openOwn(path)) ?? (await open(path, NEW)))
  }

  /** Bytes that are written and included in the checksum. */
  get length(): number {
    return this.#length
  }

  /** Bytes that an earlier download left, not examined yet. */
  async left(): Promise<number> {
    return (await this.#file.stat()).size
  }

  /** What an earlier download noted about the bytes that are there; `undefined` if there are none. */
  async note(): Promise<PartNote | undefined> {
    if ((await this.left()) === 0) return undefined
    try {
      // Another user's note might say that half of the file is all of it.
      if (!(await isOwn(await lstat(this.#notePath), this.#notePath))) return undefined
      const refuse = (why: string) => new Error(why)
      const note = parseWithin(await readBytes(this.#notePath, MOST_NOTE, refuse), LIMITS_OF_NOTE, refuse)
      return isNote(note) ? note : undefined
    } catch {
      return undefined // missing, or cut short
    }
  }

  async writeNote(note: PartNote): Promise<void> {
    const there = await lstat(this.#notePath).catch(() => undefined)
    if (there && !there.isFile() && !there.isDirectory()) await rm(this.#notePath)
    await writeWhole(this.#notePath, [JSON.stringify(note)])
  }

  /** Goes on after the bytes that are there. */
  async resume(reading: {
    readonly signal: AbortSignal
    readonly onProgress: ((progress: Progress) => void) | undefined
  }): Promise<void> {
    const size = await this.left()
    this.#length = this.#hash ? await hashFile(this.#file, size, this.#hash, reading) : size
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0)
    this.#length = 0
    this.#hash = this.#algorithm && createHash(this.#algorithm)
  }

  /** Writes and hashes at the same time. After a failure the object must not be used any more. */
  async append(pieces: readonly Uint8Array[]): Promise<void> {
    // The open file may have become the finished one.
    if (Date.now() - this.#writtenAt > STOOD_STILL_MS) await this.#assertOurs()
    this.#writtenAt = Date.now()
    const length = lengthOf(pieces)
    const writing = writeAll(this.#file, pieces, length, this.#length)
    for (const piece of pieces) this.#hash?.update(piece)
    await writing
    this.#length += length
    this.#unsynced += length
    if (this.#unsynced < SYNC_EVERY || this.#syncing) return
    this.#unsynced = 0
    // The last sync reports its failure again.
    this.#syncing = this.#file.datasync().then(
      () => {
        this.#syncing = undefined
      },
      () => {},
    )
  }

  /** Bytes that its disk lacks for `bytes` more; 0 if they fit. */
  lacks(bytes: number): Promise<number> {
    return missingSpace(this.#path, bytes)
  }

  /**
   * The checksum of what was written; `undefined` if none was requested. Nothing can be written afterwards.
   */
  digest(): string | undefined {
    return this.#hash?.digest('hex')
  }

  /** Gives the file its final name. */
  async rename(target: string): Promise<void> {
    await this.#syncing
    await this.#file.sync()
    await this.#assertOurs()
    await this.#file.close() // some systems rename no open file
    await rename(this.#path, target)
    await rm(this.#notePath, { force: true })
  }

  /**
   * No other process has written or finished the file. A process that stood still for so long that another
   * took its place finds that one's bytes in the file, or another file, or none.
   */
  async #assertOurs(): Promise<void> {
    const [ours, there] = await Promise.all([this.#file.stat(), stat(this.#path).catch(() => undefined)])
    if (ours.size !== this.#length || ours.ino !== there?.ino)
      throw Object.assign(new Error('another process writes it'), { code: 'ECOMPROMISED' })
  }

  /** Removes what is left of a download that never received a byte. */
  async removeEmpty(): Promise<void> {
    if (this.#length > 0) return
    await this.#assertOurs()
    await this.remove()
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
    await rm(this.#notePath, { force: true })
  }

  async close(): Promise<void> {
    await this.#syncing
    await this.#file.close()
  }
}

/**
 * Opens what an earlier download of ours left at `path`. A link to a file elsewhere, another user's file, and
 * anything that is not a file is removed, so that nothing is written there; `undefined` if nothing is there
 * (any more).
 */
async function openOwn(path: string): Promise<FileHandle | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (!found) return undefined
  if (found.isFile() || found.isDirectory()) {
    const file = await open(path, FLAGS).catch((error: unknown) => {
      if (codeOf(error) !== 'EACCES') throw error // for example, it is a folder
      return undefined
    })
    let isOurs = false
    try {
      isOurs = file !== undefined && (await isOwn(await file.stat(), path))
      if (isOurs) return file
    } finally {
      if (!isOurs) await file?.close()
    }
  }
  await rm(path)
  return undefined
}

/** Whether a file has one name, and belongs to this user or the folder's owner: others could write to it. */
async function isOwn(found: Stats, path: string): Promise<boolean> {
  const folder = await stat(dirname(path))
  return found.isFile() && found.nlink === 1 && [process.geteuid?.(), folder.uid].includes(found.uid)
}

/** Another program may have left anything there. */
function isNote(note: unknown): note is PartNote {
  if (typeof note !== 'object' || note === null) return false
  const { url, etag, size, digest } = note as Record<keyof PartNote, unknown>
  const areTexts = [url, etag, digest].every((text) => text === undefined || typeof text === 'string')
  return areTexts && (size === undefined || (Number.isSafeInteger(size) && (size as number) > 0))
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/**
 * Writes at `position`, not at the end: a write that a process had begun when it was stopped may come when another
 * process has finished the file, and then repeats what is there.
 */
async function writeAll(
  file: FileHandle,
  pieces: readonly Uint8Array[],
  length: number,
  position: number,
): Promise<void> {
  let { bytesWritten } = await file.writev(pieces, position)
  if (bytesWritten === length) return
  const whole = Buffer.concat(pieces)
  while (bytesWritten < length) {
    const written = await file.write(whole, bytesWritten, length - bytesWritten, position + bytesWritten)
    bytesWritten += written.bytesWritten
  }
}
