import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { constants, link, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, makeCacheFolder } from '../../core/cache-folder.ts'
import type { Logger } from '../../core/logger.ts'

/**
 * The key with which this user signs saved sessions, of 32 random bytes: `sessions/key` in the cache folder, for the user alone.
 * A stranger can write any tokens and any state of the cache into a file, and every checksum that belongs to them.
 */
const NAME = 'key'
const BYTES = 32
/** Neither through a link, nor waiting for whoever writes into a pipe; Windows knows neither. */
const CAREFULLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
const ONLY_USER = 0o600

/** By the folder that they belong to. */
const keys = new Map<string | undefined, Promise<Buffer>>()

/** The signature of `text`. */
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
        logger.debug(`what is saved can be brought back by this process only: ${error.message}`)
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
    // Whoever is first has named it. What is there and no key gives way; so it does where there are no links.
    await link(making, path).catch(async () => (await read(path)) ?? (await rename(making, path)))
  } finally {
    await rm(making, { force: true })
  }
  return (await read(path)) ?? made
}

/** `undefined` where it is not there, or no key that this user alone can know. */
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
