import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, ModelError, messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { Meter, type Progress } from '../../core/progress.ts'
import type { RegularFile } from '../../core/regular-file.ts'
import { gibibytes } from '../../core/sizes.ts'
import { isFull, missingSpace, WRITE_FAILURES } from '../download/disk-space.ts'
import { withFileLock } from '../download/file-lock.ts'
import { PATIENCE, type Patience } from '../download/http.ts'
import { damaged, openFile } from '../gguf/bytes.ts'
import { readGguf } from '../gguf/header.ts'
import { isOldMagic } from '../gguf/old-magics.ts'
import { readGgufFile } from '../gguf/reader.ts'
import { writeHeader } from '../gguf/writer.ts'
import { convertedFile } from '../names.ts'
import { metadataOf, type Source, sourceIn } from './metadata.ts'
import { type GgmlFile, readGgml } from './reader.ts'

type ConvertRequest = {
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onProgress: ((progress: Progress) => void) | undefined
  readonly patience?: Patience
}

/**
 * `path` itself, or, if it holds a model in a format before GGUF, the GGUF file that is made from it once.
 * Today's llama.cpp reads no other format.
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for what cannot be converted exactly, `ERR_MODEL_DAMAGED`,
 * `ERR_MODEL_UNREADABLE` if its folder cannot be written to, `ERR_DISK_SPACE`
 */
export async function asGguf(path: string, request: ConvertRequest): Promise<string> {
  const { signal, logger, patience = PATIENCE } = request
  if (!(await isOldFile(path))) return path
  const target = convertedFile(path)
  if (await isUpToDate(target, path)) return target
  try {
    await withFileLock(target, { signal, staleMs: patience.staleMs, logger }, async (signal) => {
      if (await isUpToDate(target, path)) return // another conversion was faster
      logger.info(`converting ${path}, which is older than GGUF, to ${target}`)
      await convert(path, target, { ...request, signal })
    })
  } catch (error) {
    throw translated(error, path)
  }
  return target
}

async function isOldFile(path: string): Promise<boolean> {
  const file = await openFile(path)
  try {
    const buffer = Buffer.alloc(4)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return bytesRead === 4 && isOldMagic(buffer.toString('latin1'))
  } finally {
    await file.close()
  }
}

/**
 * Whether `target` was made from this very file, and not from an earlier one at `path`.
 * @throws {ModelError} `ERR_MODEL_UNREADABLE` if it is no conversion at all, but a file of the user's own
 */
async function isUpToDate(target: string, path: string): Promise<boolean> {
  if (!(await isThere(target))) return false
  const source = await sourceOf(path)
  const made = await readGgufFile(target, () => undefined).catch(() => undefined)
  const told = made && sourceIn(made.metadata)
  if (told) return told.bytes === source.bytes && told.modifiedMs === source.modifiedMs
  const message = `${path} is older than GGUF and must be converted once, but ${target} already exists, and is not a conversion of it.`
  throw new ModelError('ERR_MODEL_UNREADABLE', message, path)
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

async function sourceOf(path: string): Promise<Source> {
  const { size, mtimeMs } = await stat(path)
  return { bytes: size, modifiedMs: mtimeMs }
}

function translated(error: unknown, path: string): unknown {
  if (error instanceof ModelError) return error
  const options = { cause: error }
  if (isFull(error))
    return new ModelError('ERR_DISK_SPACE', `${path} cannot be converted: the disk is full.`, path, options)
  const code = codeOf(error) ?? ''
  const meaning = code === 'ENOENT' ? 'another process has taken over' : WRITE_FAILURES[code]
  const isOfSystem = typeof error === 'object' && error !== null && 'syscall' in error
  const reason = meaning ?? (isOfSystem ? messageOf(error) : undefined)
  if (reason === undefined) return error
  const message = `${path} is older than GGUF and must be converted once, but ${reason} (${code}).`
  return new ModelError('ERR_MODEL_UNREADABLE', message, path, options)
}

async function convert(path: string, target: string, request: ConvertRequest): Promise<void> {
  const { signal, onProgress } = request
  const source = await sourceOf(path)
  const model = await readGgml(path, signal)
  const tensors = model.tensors.map(({ typeNumber, ...tensor }) => ({ ...tensor, type: typeNumber }))
  const { header, offsets, fileBytes } = writeHeader(metadataOf(model, source), tensors)
  await removeParts(target)
  const missing = await missingSpace(target, fileBytes)
  if (missing > 0) {
    const message = `${path} cannot be converted: ${target} needs ${gibibytes(fileBytes)}, ${gibibytes(missing)} more than are free on that disk.`
    throw new ModelError('ERR_DISK_SPACE', message, path)
  }
  // A unique name: a process that stood still may wake up and go on writing its own file.
  const part = `${target}.${randomUUID()}${PART}`
  const meter = new Meter('convert', onProgress)
  try {
    const from = await openFile(path)
    try {
      const to = await open(part, 'wx')
      try {
        await writeAt(to, header, 0)
        const copier = new Copier(from, to, path, (done) => {
          signal.throwIfAborted()
          meter.report(header.length + done, header.length + dataBytes(model))
        })
        for (const [i, { offset, bytes }] of model.tensors.entries())
          await copier.copy(offset, offsets[i] ?? 0, bytes)
        await to.truncate(fileBytes) // the padding after the last tensor
        await to.sync()
      } finally {
        await to.close()
      }
    } finally {
      await from.close()
    }
    const now = await sourceOf(path)
    if (now.bytes !== source.bytes || now.modifiedMs !== source.modifiedMs)
      throw damaged(path, 'it changed while it was converted')
    await readGguf(part, { signal })
    signal.throwIfAborted()
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true })
    // Damage in the copy was in the original before.
    if (error instanceof ModelError && error.path === part && error.code === 'ERR_MODEL_DAMAGED')
      throw damaged(
        path,
        error.message
          .replace(`${part} is damaged: `, '')
          .replace(/\.? Delete it, and download it again\.$/, ''),
      )
    throw error
  }
}

const PART = '.part'

/** Removes what killed processes left behind. */
async function removeParts(target: string): Promise<void> {
  const names = await readdir(dirname(target))
  const parts = names.filter((name) => name.startsWith(`${basename(target)}.`) && name.endsWith(PART))
  for (const name of parts) await rm(join(dirname(target), name), { force: true })
}

const dataBytes = ({ tensors }: GgmlFile) => tensors.reduce((sum, { bytes }) => sum + bytes, 0)

const CHUNK = 4 * 2 ** 20

class Copier {
  readonly #from: RegularFile
  readonly #to: FileHandle
  readonly #path: string
  readonly #tell: (done: number) => void
  readonly #buffer = Buffer.allocUnsafe(CHUNK)
  #done = 0

  constructor(from: RegularFile, to: FileHandle, path: string, tell: (done: number) => void) {
    this.#from = from
    this.#to = to
    this.#path = path
    this.#tell = tell
  }

  async copy(from: number, to: number, bytes: number): Promise<void> {
    for (let copied = 0; copied < bytes; ) {
      const wanted = Math.min(CHUNK, bytes - copied)
      const { bytesRead } = await this.#from.read(this.#buffer, 0, wanted, from + copied)
      if (bytesRead === 0) throw damaged(this.#path, 'it became shorter while it was read')
      await writeAt(this.#to, this.#buffer.subarray(0, bytesRead), to + copied)
      copied += bytesRead
      this.#done += bytesRead
      this.#tell(this.#done)
    }
  }
}

async function writeAt(to: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; )
    written += (await to.write(bytes, written, bytes.length - written, position + written)).bytesWritten
}
