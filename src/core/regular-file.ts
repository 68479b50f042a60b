import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  promises, // loaded with the first use, unlike `node:fs/promises`: the child of a trial does without
  readSync,
  statSync,
} from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

/**
 * For a path that may have become a named pipe since it was checked: opening does not wait for a writer, and
 * no terminal becomes ours. Windows has neither flag.
 */
export const AT_ONCE = (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)
const FLAGS = constants.O_RDONLY | AT_ONCE
const BIG = { bigint: true } as const
/** Bytes; the system reads no more than 2 GiB at once. */
const MOST_AT_ONCE = 2 ** 30

/**
 * Makes the error for a file that cannot be read. `why` follows its path: `is a named pipe, not a file`.
 * `cause` is the system's error, if there was one.
 */
export type Refuse = (why: string, cause?: NodeJS.ErrnoException) => Error

/**
 * A file with an untrusted path, open for reading. A named pipe would wait for its writer, and a device never
 * ends, so the path is checked before it is opened, and again afterwards, since it may have been replaced
 * meanwhile.
 */
export class RegularFile {
  /** Its size when it was opened. */
  readonly bytes: number
  /** Changes once the file is replaced, or written to: see `lookAt()`. */
  readonly identity: string
  readonly #handle: FileHandle
  readonly #refuse: Refuse

  private constructor(handle: FileHandle, found: BigIntStats, refuse: Refuse) {
    this.#handle = handle
    this.bytes = Number(found.size)
    this.identity = identityIn(found)
    this.#refuse = refuse
  }

  get descriptor(): number {
    return this.#handle.fd
  }

  /** The caller closes it. Every failure, also later, is an error made by `refuse`. */
  static async open(path: string, refuse: Refuse): Promise<RegularFile> {
    let handle: FileHandle | undefined
    try {
      check(await promises.stat(path, BIG))
      handle = await promises.open(path, FLAGS)
      return new RegularFile(handle, check(await handle.stat(BIG)), refuse)
    } catch (error) {
      await handle?.close()
      throw refused(error, refuse)
    }
  }

  /** Like `FileHandle.read()`. */
  async read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    try {
      return await this.#handle.read(buffer, offset, length, position)
    } catch (error) {
      throw refused(error, this.#refuse)
    }
  }

  /** Fills `buffer` from `position` on; resolves with the number of bytes there were. */
  async fill(buffer: Uint8Array, position: number): Promise<number> {
    for (let length = 0; ; ) {
      const wanted = Math.min(buffer.length - length, MOST_AT_ONCE)
      if (wanted === 0) return length
      const { bytesRead } = await this.read(buffer, length, wanted, position + length)
      if (bytesRead === 0) return length
      length += bytesRead
    }
  }

  /** The whole file; refused if it has more than `most` bytes. */
  async readAll(most: number): Promise<Buffer> {
    if (this.bytes > most) throw this.#refuse(`is longer than ${most} bytes`)
    const all = Buffer.allocUnsafe(this.bytes)
    return all.subarray(0, await this.fill(all, 0))
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** All bytes of a file that has at most `most`. */
export async function readBytes(path: string, most: number, refuse: Refuse): Promise<Buffer> {
  const file = await RegularFile.open(path, refuse)
  try {
    return await file.readAll(most)
  } finally {
    await file.close()
  }
}

/** Like `RegularFile`, but synchronous: `use` gets a function that reads the next bytes into a buffer. */
export function withFileSync<T>(path: string, refuse: Refuse, use: (read: (into: Buffer) => number) => T): T {
  const refusing = <R>(work: () => R): R => {
    try {
      return work()
    } catch (error) {
      throw refused(error, refuse)
    }
  }
  const descriptor = refusing(() => {
    check(statSync(path, BIG))
    return openSync(path, FLAGS)
  })
  try {
    refusing(() => check(fstatSync(descriptor, BIG)))
    return use((into) => refusing(() => readSync(descriptor, into, 0, into.length, null)))
  } finally {
    closeSync(descriptor)
  }
}

/** The size of the file at `path`, and an identity that changes once the file is replaced, or written to. */
export async function lookAt(
  path: string,
  refuse: Refuse,
): Promise<{ readonly bytes: number; readonly identity: string }> {
  try {
    const found = check(await promises.stat(path, BIG))
    return { bytes: Number(found.size), identity: identityIn(found) }
  } catch (error) {
    throw refused(error, refuse)
  }
}

/** @throws what `refuse` makes, if `path` is not a readable file, as far as that shows without opening it */
export async function assertRegular(path: string, refuse: Refuse): Promise<void> {
  await lookAt(path, refuse)
}

/** With the time of the last change too, because a writer can set that of the last write back. */
export function identityIn({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

/** A path leads to something that is not a file. */
class NoFile extends Error {}

function check<S extends Pick<BigIntStats, keyof typeof KINDS | 'isFile'>>(found: S): S {
  if (found.isFile()) return found
  const kind = Object.entries(KINDS).find(([is]) => found[is as keyof typeof KINDS]())?.[1]
  throw new NoFile(`is ${kind ?? 'something else'}, not a file`)
}

const KINDS = {
  isDirectory: 'a directory',
  isFIFO: 'a named pipe',
  isSocket: 'a socket',
  isCharacterDevice: 'a device',
  isBlockDevice: 'a device',
} as const

/** What the system's codes mean for a file that is to be read. */
const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'its folder is a file',
  EACCES: 'there is no permission to read it',
  EPERM: 'there is no permission to read it',
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'its name is too long',
  EISDIR: 'it is a directory',
  EIO: 'the disk reports an error',
}

function refused(error: unknown, refuse: Refuse): Error {
  if (error instanceof NoFile) return refuse(error.message)
  const cause = error as NodeJS.ErrnoException
  const { code = '', message } = cause
  const meaning = READ_FAILURES[code]
  return refuse(`cannot be read: ${meaning === undefined ? message : `${meaning} (${code})`}`, cause)
}
