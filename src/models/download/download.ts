import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Callbacks, pause } from '../../core/async.ts'
import { makeFolder } from '../../core/cache-folder.ts'
import { codeOf, DownloadError, GPT4AllError, messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { Meter, type Progress } from '../../core/progress.ts'
import { gibibytes } from '../../core/sizes.ts'
import { shown } from './address.ts'
import { AddressGuard } from './address-guard.ts'
import type { Checksum } from './checksum.ts'
import { isFull, WRITE_FAILURES } from './disk-space.ts'
import { withFileLock } from './file-lock.ts'
import { type Answer, backoff, get, PATIENCE, type Patience, refusal, soundEtag } from './http.ts'
import { lengthOf, PartFile } from './part-file.ts'

export type DownloadRequest = {
  readonly url: string
  /** A token for the server in `url`, and for no other. */
  readonly bearer?: string | undefined
  /** Path of the file, which appears there whole and verified or not at all. */
  readonly target: string
  /** Bytes, if known. */
  readonly size: number | undefined
  readonly checksum: Checksum | undefined
  readonly signal: AbortSignal
  readonly onProgress: ((progress: Progress) => void) | undefined
  readonly logger: Logger
  readonly patience?: Patience
  /** The source of `url`, if that is not the user: it must not lead nearer than the internet then. */
  readonly namedBy?: string | undefined
  /** Download even if `target` exists: it is replaced once the new file is verified. */
  readonly force?: boolean
  /** Called once the file is verified, before it gets its name. */
  readonly beforeRename?: () => Promise<void>
}

/**
 * Downloads a file to `target.part`, goes on where an earlier attempt ended, verifies it, and gives it its
 * name. Another download of the same file, in this process or another, waits and then finds it there. An
 * error thrown by `onProgress` ends the download and is passed on.
 * @throws {DownloadError} `ERR_DOWNLOAD` (the server, or the folder), `ERR_CHECKSUM` (the content),
 * `ERR_DISK_SPACE`
 */
export async function download(request: DownloadRequest): Promise<void> {
  const { target, signal, patience = PATIENCE } = request
  signal.throwIfAborted()
  const callbacks = new Callbacks()
  const onProgress = (progress: Progress) => callbacks.call(() => request.onProgress?.(progress))
  try {
    await makeFolder(dirname(target))
    await withFileLock(
      target,
      { signal, staleMs: patience.staleMs, logger: request.logger },
      async (signal) => {
        if ((await isThere(target)) && !request.force) return // another download was faster
        await new Download({ ...request, onProgress, signal }).run()
      },
    )
  } catch (error) {
    signal.throwIfAborted()
    callbacks.rethrow()
    throw localFailure(error, request)
  }
}

class Download {
  readonly #request: DownloadRequest
  readonly #patience: Patience
  readonly #guard: AddressGuard
  readonly #url: string
  readonly #meter: Meter
  #size: number | undefined
  #etag: string | undefined

  constructor(request: DownloadRequest) {
    this.#request = request
    this.#patience = request.patience ?? PATIENCE
    this.#guard = new AddressGuard(request.namedBy)
    this.#url = shown(request.url)
    this.#size = request.size
    this.#meter = new Meter('download', request.onProgress)
  }

  async run(): Promise<void> {
    const { target, checksum, logger, beforeRename } = this.#request
    const part = await PartFile.open(target, checksum?.algorithm)
    try {
      await this.#resume(part)
      const isResumed = part.length > 0
      await this.#fetch(part)
      let digest = part.digest()
      if (digest !== checksum?.digest && isResumed) {
        logger.warn(`what was left of an earlier download of ${target} does not belong to it: starting again`)
        await this.#restart(part)
        await this.#fetch(part)
        digest = part.digest()
      }
      if (checksum && digest !== checksum.digest) {
        await part.remove()
        const message = `what ${this.#url} sent is not ${target}: its ${checksum.algorithm} is ${digest} instead of ${checksum.digest}`
        throw new DownloadError(message, { code: 'ERR_CHECKSUM', url: this.#url, retry: false, digest })
      }
      if (!checksum && this.#size === undefined)
        logger.warn(`${target} cannot be verified: ${this.#url} sent neither size nor checksum`)
      // Not between the two: what is written beforehand is about the new file.
      this.#request.signal.throwIfAborted()
      await beforeRename?.().catch(async (error: unknown) => {
        if (error instanceof DownloadError) await part.remove()
        throw error
      })
      await part.rename(target)
    } catch (error) {
      if (!this.#request.signal.aborted) await part.removeEmpty().catch(() => {})
      throw error
    } finally {
      await part.close()
    }
  }

  /** Continues with what an earlier download left, if it is of the same file. */
  async #resume(part: PartFile): Promise<void> {
    const note = await part.note()
    const { size, checksum } = this.#request
    const isSameUrl = note?.url === this.#url
    // Without a checksum only the ETag shows that the rest belongs to it; with one, any source will do.
    const isSame = checksum ? note?.digest === checksum.digest : isSameUrl && note.etag !== undefined
    if (!note || !isSame) return this.#restart(part)
    this.#etag = isSameUrl ? strongEtag(note.etag) : undefined
    this.#size = size ?? note.size
    // A sparse file may have any length, so one that is too long is not read.
    if (this.#size !== undefined && (await part.left()) > this.#size) return this.#restart(part)
    await part.resume(this.#request)
  }

  async #restart(part: PartFile): Promise<void> {
    await part.restart()
    this.#etag = undefined
    this.#size = this.#request.size
  }

  async #fetch(part: PartFile): Promise<void> {
    let most = part.length
    for (let failures = 0; this.#size === undefined || part.length < this.#size; ) {
      try {
        return await this.#attempt(part)
      } catch (error) {
        failures = await this.#wait(error, part.length > most ? 1 : failures + 1)
        most = Math.max(most, part.length)
      }
    }
  }

  async #attempt(part: PartFile): Promise<void> {
    const { url, bearer, signal, checksum } = this.#request
    // Nothing would show that the rest is of the same file.
    if (part.length > 0 && !checksum && this.#etag === undefined) await this.#restart(part)
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    if (part.length > 0) headers.range = `bytes=${part.length}-`
    if (part.length > 0 && this.#etag) headers['if-range'] = this.#etag
    const answer = await get(url, {
      headers,
      bearer,
      signal,
      patience: this.#patience,
      guard: this.#guard,
    })
    try {
      await this.#accept(answer, part)
      await this.#checkSpace(part)
      await part.writeNote({
        url: this.#url,
        etag: this.#etag,
        size: this.#size,
        digest: checksum?.digest,
      })
      await answer.read((pieces) => this.#write(pieces, answer, part))
      if (this.#size !== undefined && part.length < this.#size)
        throw this.#failure(answer, `ends after ${part.length} of ${this.#size} bytes`, true)
      if (part.length === 0) throw this.#failure(answer, 'sends an empty file', false)
    } finally {
      answer.close()
    }
  }

  /** Decides what the answer is: the rest, the whole file, or no file at all. */
  async #accept(answer: Answer, part: PartFile): Promise<void> {
    const { status, header } = answer
    const error = refusal(answer)
    if (status === 416 && part.length > 0) {
      await this.#restart(part)
      throw this.#failure(answer, 'does not have the rest of the file', true)
    }
    if (error) throw error
    const encoding = header('content-encoding')
    if (encoding !== undefined && encoding !== 'identity')
      throw this.#failure(answer, 'sends the file compressed', false)
    const etag = strongEtag(header('etag'))
    if (status === 206) {
      const total = this.#totalOf(answer, etag, part.length)
      if (total !== undefined) {
        this.#size = total
        return
      }
      await this.#restart(part)
      throw this.#failure(answer, 'answers with another range, or another file', true)
    }
    // The whole file: the server does not support ranges, or the file has changed.
    if (part.length > 0) await this.#restart(part)
    this.#etag = etag
    const length = header('content-length')
    const isClosed = length === undefined && header('transfer-encoding') === undefined
    if (isClosed && this.#size === undefined && !this.#request.checksum)
      throw this.#failure(answer, 'does not say where the file ends', false)
    if (length === undefined) return
    const size = Number(length)
    if (!Number.isSafeInteger(size)) throw this.#failure(answer, 'sends an impossible length', false)
    if (this.#size !== undefined && size !== this.#size)
      throw this.#failure(answer, `has ${size} bytes instead of ${this.#size}`, false)
    this.#size = size
  }

  /**
   * The length of the whole file whose rest is in `answer`; `undefined` for another file or another range.
   */
  #totalOf({ header }: Answer, etag: string | undefined, from: number): number | undefined {
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header('content-range') ?? '')
    const total = Number(range?.[3])
    if (!range || Number(range[1]) !== from || (this.#size ?? total) !== total) return undefined
    if (!Number.isSafeInteger(total)) return undefined
    const isUnknown = etag === undefined && this.#request.checksum !== undefined // that will show it
    return this.#etag === undefined || isUnknown || etag === this.#etag ? total : undefined
  }

  async #write(pieces: readonly Uint8Array[], answer: Answer, part: PartFile): Promise<void> {
    if (this.#size !== undefined && part.length + lengthOf(pieces) > this.#size)
      throw this.#failure(answer, `sends more than the ${this.#size} bytes it announced`, false)
    await part.append(pieces)
    this.#meter.report(part.length, this.#size)
  }

  async #checkSpace(part: PartFile): Promise<void> {
    if (this.#size === undefined) return
    const missing = await part.lacks(this.#size - part.length)
    if (missing === 0) return
    const message = `${this.#request.target} needs ${gibibytes(this.#size)}, ${gibibytes(missing)} more than are free on that disk`
    throw new DownloadError(message, { code: 'ERR_DISK_SPACE', url: this.#url, retry: false })
  }

  /** Waits before the next attempt; throws if there is none. */
  async #wait(error: unknown, failures: number): Promise<number> {
    const { signal, logger } = this.#request
    signal.throwIfAborted()
    if (!(error instanceof DownloadError) || !error.retry || failures >= this.#patience.attempts) throw error
    const ms = backoff(failures, this.#patience, error)
    logger.info(`${error.message} Trying again in ${(ms / 1000).toFixed(1)} s.`)
    await pause(ms, signal)
    return failures
  }

  #failure({ url, status }: Answer, what: string, retry: boolean): DownloadError {
    return new DownloadError(`${url} ${what}`, { url, status, retry })
  }
}

/** Weak ETags say that two files are equivalent, not that they are equal. */
function strongEtag(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? soundEtag(etag) : undefined
}

async function isThere(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (!found || found.isFile()) return found !== undefined
  const code = found.isDirectory() ? 'EISDIR' : 'ENOFILE'
  throw Object.assign(new Error('what has that name is not a file'), { code })
}

function localFailure(error: unknown, { target, url }: DownloadRequest): unknown {
  const code = codeOf(error)
  if (error instanceof GPT4AllError || code === undefined) return error
  const options = { url: shown(url), retry: false, cause: error }
  if (isFull(error)) return new DownloadError('the disk is full', { ...options, code: 'ERR_DISK_SPACE' })
  return new DownloadError(
    `${target} cannot be written: ${WRITE_FAILURES[code] ?? messageOf(error)} (${code})`,
    options,
  )
}
