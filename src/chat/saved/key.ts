import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { constants, link, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, makeCacheFolder } from '../../core/cache-folder.ts'
import type { Logger } from '../../core/logger.ts'

/**
 * The key with which this user signs saved sessions: 32 random bytes, in `sessions/key` in the cache folder,
 * which only the user can read. It is needed because a stranger can write any tokens and any state of the
 * cache into a file, with checksums that match.
 */
const NAME = 'key'
const BYTES = 32
/** Do not follow a link, nor wait for a pipe's writer; Windows has neither flag. */
const CAREFULLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
const ONLY_USER = 0o600

/** Keys by the cache folder that they belong to. */
const keys = new Map<string | undefined, Promise<Buffer>>()

/** This user's signature of `text`. */
export async function sign(text: string, logger: Logger): Promise<string> {
  return signed(text, await key(logger)).toString('hex')
}

/** Whether `signature` is that of `text` by this user, on this machine. */
export async function isSigned(text: string, signature: unknown, logger: Logger): Promise<boolean> {
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) return false
  return timingSafeEqual(Buffer.from(signature, 'hex'), signed(text, await key(logger)))
}

const signed = (text: string, key: Buffer) => createHmac('sha256', key).update(text).digest()

function key(logger: Logger): Promise<Buffer> {
  const folder = cacheFolder()
  let known = keys.get(folder)
  if (!known) {
    known = makeCacheFolder('sessions')
      .then((sessions) => keyIn(sessions))
      .catch((error: Error) => {
        logger.debug(`sessions saved now can be restored in full by this process only: ${error.message}`)
        return randomBytes(BYTES)
      })
    keys.set(folder, known)
  }
  return known
}

async function keyIn(folder: string): Promise<Buffer> {
  const path = join(folder, NAME)
  const known = await read(path)
  if (known) return known
  const made = randomBytes(BYTES)
  const making = `${path}.${randomUUID()}`
  try {
    const handle = await open(making, 'wx', ONLY_USER)
    await handle.writeFile(made).finally(() => handle.close())
    // The first process to link its key has named it. Anything there that is not a key is replaced, also
    // where there are no links.
    await link(making, path).catch(async () => (await read(path)) ?? (await rename(making, path)))
  } finally {
    await rm(making, { force: true })
  }
  return (await read(path)) ?? made
}

/** `undefined` where the file is missing, or is not a key that only this user can read. */
async function read(path: string): Promise<Buffer | undefined> {
  const handle = await open(path, CAREFULLY).catch(() => undefined)
  if (!handle) return undefined
  try {
    const found = await handle.stat()
    const isOwn =
      process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o77) === 0)
    if (!found.isFile() || found.size !== BYTES || !isOwn) return undefined
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(BYTES), 0, BYTES, 0)
    return bytesRead === BYTES ? buffer : undefined
  } finally {
    await handle.close()
  }
}
