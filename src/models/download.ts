import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DownloadError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { withFileLock } from './file-lock.ts'
import { type Answer, backoff, get, PATIENCE, type Patience, refusal } from './http.ts'
import { Meter, type Progress } from './progress.ts'

export type Checksum = { readonly algorithm: 'md5' | 'sha256'; readonly digest: string }

export type DownloadRequest = {
  readonly url: string
  /** Where the file will lie, whole and verified or not at all. */
  readonly target: string
  /** Bytes, where they are known. */
  readonly size: number | undefined
  readonly checksum: Checksum | undefined
  readonly signal: AbortSignal
  readonly onProgress: ((progress: Progress) => void) | undefined
  readonly logger: Logger
  readonly patience?: Patience
  /** Done once the file is verified, before it has its name. */
  readonly beforeRename?: () => Promise<void>
}

/** What is kept beside a partial file, to know later whether it can be gone on with. */
type PartNote = { readonly url: string; readonly etag: string | undefined; readonly size: number | undefined }

const BLOCK = 2 ** 19
/** The disk, a quota, or the limit of a process. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG']
/** Left free on the disk. */
const SPARE = 16 * 2 ** 20

/**
 * Downloads a file to `target.part`, goes on where an earlier attempt ended, verifies it, and gives it its name.
 * Whoever else downloads the same file, in this process or another, waits and then finds it there.
 * @throws {DownloadError} `ERR_DOWNLOAD` (the server), `ERR_CHECKSUM` (the content), `ERR_DISK_SPACE`
 */
export async function download(request: DownloadRequest): Promise<void> {
  const { target, signal, patience = PATIENCE } = request
  signal.throwIfAborted()
  await mkdir(dirname(target), { recursive: true })
  await withFileLock(target, { signal, staleMs: patience.staleMs }, async (signal) => {
    if (await exists(target)) return // somebody else was faster
    await new Download({ ...request, signal }).run()
  })
}

class Download {
  readonly #request: DownloadRequest
  readonly #patience: Patience
  readonly #part: string
  readonly #note: string
  readonly #meter: Meter
  #hash: Hash | undefined
  /** Bytes that lie in the part file, and are in the hash. */
  #have = 0
  #size: number | undefined
  #etag: string | undefined

  constructor(request: DownloadRequest) {
    this.#request = request
    this.#patience = request.patience ?? PATIENCE
    this.#part = `${request.target}.part`
    this.#note = `${request.target}.part.json`
    this.#size = request.size
    this.#meter = new Meter('download', request.onProgress)
  }

  async run(): Promise<void> {
    const file = await open(this.#part, 'a+')
    try {
      await this.#resume(file)
      for (let failures = 0; this.#size === undefined || this.#have < this.#size; ) {
        const before = this.#have
        try {
          await this.#attempt(file)
          break
        } catch (error) {
          failures = await this.#wait(error, this.#have > before ? 1 : failures + 1)
        }
      }
      await this.#verify(file)
    } finally {
      await file.close()
    }
    await this.#request.beforeRename?.()
    await rename(this.#part, this.#request.target)
    await rm(this.#note, { force: true })
  }

  /** Takes what an earlier download left, where it is of the same file. */
  async #resume(file: FileHandle): Promise<void> {
    const { size } = await file.stat()
    const note = await readNote(this.#note)
    const { url, size: wanted, checksum } = this.#request
    const same = note?.url === url && (wanted === undefined || size <= wanted)
    // Without a checksum only the ETag can tell that the rest belongs to it.
    if (size === 0 || !same || !(checksum || note.etag)) return this.#restart(file)
    this.#etag = note.etag
    this.#size ??= note.size
    this.#hash = checksum && createHash(checksum.algorithm)
    if (this.#hash)
      for await (const block of createReadStream(this.#part, { highWaterMark: BLOCK })) {
        this.#request.signal.throwIfAborted()
        this.#hash.update(block as Buffer)
      }
    this.#have = size
  }

  async #restart(file: FileHandle): Promise<void> {
    await file.truncate(0)
    const { checksum } = this.#request
    this.#hash = checksum && createHash(checksum.algorithm)
    this.#have = 0
    this.#etag = undefined
    this.#size = this.#request.size
  }

  async #attempt(file: FileHandle): Promise<void> {
    const { url, signal } = this.#request
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    if (this.#have > 0) headers.range = `bytes=${this.#have}-`
    if (this.#have > 0 && this.#etag) headers['if-range'] = this.#etag
    const answer = await get(url, { headers, signal, patience: this.#patience })
    try {
      await this.#accept(answer, file)
      await this.#checkSpace()
      await writeFile(
        this.#note,
        JSON.stringify({ url, etag: this.#etag, size: this.#size } satisfies PartNote),
      )
      await this.#write(answer, file)
    } finally {
      answer.close()
    }
  }

  /** Decides what the answer is: the rest, the whole file, or no file at all. */
  async #accept(answer: Answer, file: FileHandle): Promise<void> {
    const { status, header, url } = answer
    const error = refusal(answer)
    if (status === 416 && this.#have > 0) {
      await this.#restart(file)
      throw new DownloadError(`${url} does not have the rest of the file`, { url, status, retry: true })
    }
    if (error) throw error
    const encoding = header('content-encoding')
    if (encoding !== undefined && encoding !== 'identity')
      throw new DownloadError(`${url} sends the file compressed (${encoding})`, { url, status, retry: false })
    const etag = strongEtag(header('etag'))
    if (status === 206) {
      const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header('content-range') ?? '')
      const total = Number(range?.[3])
      const fits =
        range && Number(range[1]) === this.#have && (this.#size === undefined || this.#size === total)
      if (!fits || (this.#etag !== undefined && etag !== undefined && etag !== this.#etag)) {
        await this.#restart(file)
        throw new DownloadError(`${url} answers with another range, or another file`, {
          url,
          status,
          retry: true,
        })
      }
      this.#size = total
      return
    }
    // The whole file: the server knows no ranges, or the file has changed.
    if (this.#have > 0) await this.#restart(file)
    this.#etag = etag
    const length = header('content-length')
    if (length === undefined) return
    if (this.#size !== undefined && Number(length) !== this.#size)
      throw new DownloadError(`${url} has ${length} bytes instead of ${this.#size}`, {
        url,
        status,
        retry: false,
      })
    this.#size = Number(length)
  }

  async #write(answer: Answer, file: FileHandle): Promise<void> {
    let blocks: Uint8Array[] = []
    let bytes = 0
    let writing: Promise<void> = Promise.resolve()
    // While one block is written the next one comes in, and is hashed.
    const flush = async () => {
      if (bytes === 0) return
      const [block, length] = [blocks, bytes]
      blocks = []
      bytes = 0
      await writing
      writing = writeAll(file, block, length).then(() => {
        this.#have += length
        this.#meter.tell(this.#have, this.#size)
      })
      writing.catch(() => {}) // whoever awaits it hears of it
      for (const piece of block) this.#hash?.update(piece)
      received += length
    }
    let received = this.#have
    try {
      for await (const piece of answer.body) {
        if (this.#size !== undefined && received + bytes + piece.length > this.#size)
          throw new DownloadError(`${answer.url} sends more than the ${this.#size} bytes it told`, {
            url: answer.url,
            retry: false,
          })
        blocks.push(piece)
        bytes += piece.length
        if (bytes >= BLOCK) await flush()
      }
    } finally {
      await flush()
      await writing
    }
    if (this.#size !== undefined && this.#have < this.#size)
      throw new DownloadError(`${answer.url} ends after ${this.#have} of ${this.#size} bytes`, {
        url: answer.url,
        retry: true,
      })
  }

  async #checkSpace(): Promise<void> {
    if (this.#size === undefined) return
    const { bavail, bsize } = await statfs(dirname(this.#part))
    const missing = this.#size - this.#have + SPARE - bavail * bsize
    if (missing <= 0) return
    const { url, target } = this.#request
    throw new DownloadError(
      `${target} needs ${this.#size} bytes, ${missing} more than are free on that disk`,
      { code: 'ERR_DISK_SPACE', url, retry: false },
    )
  }

  /** Waits before the next attempt; throws where there is none. */
  async #wait(error: unknown, failures: number): Promise<number> {
    const { signal, logger, url } = this.#request
    signal.throwIfAborted()
    if (NO_ROOM.includes((error as NodeJS.ErrnoException).code ?? ''))
      throw new DownloadError('the disk is full', { code: 'ERR_DISK_SPACE', url, retry: false, cause: error })
    if (!(error instanceof DownloadError) || !error.retry || failures >= this.#patience.attempts) throw error
    const ms = backoff(failures, this.#patience, error)
    logger.info(`${error.message} Trying again in ${(ms / 1000).toFixed(1)} s.`)
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
    return failures
  }

  async #verify(file: FileHandle): Promise<void> {
    await file.sync()
    const { checksum, url, target } = this.#request
    const digest = this.#hash?.digest('hex')
    if (!checksum || digest === checksum.digest.toLowerCase()) return
    await rm(this.#part, { force: true })
    await rm(this.#note, { force: true })
    throw new DownloadError(
      `what ${url} sent is not ${target}: its ${checksum.algorithm} is ${digest} instead of ${checksum.digest}`,
      { code: 'ERR_CHECKSUM', url, retry: false },
    )
  }
}

async function writeAll(file: FileHandle, pieces: readonly Uint8Array[], length: number): Promise<void> {
  let { bytesWritten } = await file.writev(pieces)
  if (bytesWritten === length) return
  const whole = Buffer.concat(pieces)
  while (bytesWritten < length) bytesWritten += (await file.write(whole, bytesWritten)).bytesWritten
}

async function readNote(path: string): Promise<PartNote | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PartNote
  } catch {
    return undefined // none, or cut short
  }
}

/** Weak ones say that two files mean the same, not that they are. */
function strongEtag(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
