// One set-up at a time in a checkout: two builds in one folder would spoil each other.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inRoot } from './paths.mjs'

/** The locks that this process holds. */
const held = new Set()

/** Runs `work` while holding the checkout's lock; waits for a living holder, ignores a dead one. */
export async function withLock(work, folder = inRoot('.cache')) {
  const path = join(folder, 'setup.lock')
  mkdirSync(folder, { recursive: true })
  let told = false
  while (!take(path)) {
    const holder = holderOf(path)
    if (holder === undefined) rmSync(path, { force: true })
    else {
      if (!told) process.stderr.write(`Waiting for another set-up of this checkout (process ${holder}) ...\n`)
      told = true
      await sleep(500)
    }
  }
  held.add(path)
  const release = () => held.delete(path) && rmSync(path, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/** The living process that holds the lock; undefined where it died without letting go. */
function holderOf(path) {
  try {
    const text = readFileSync(path, 'utf8')
    // Between creating the file and writing to it, it is empty.
    if (text === '') return Date.now() - statSync(path).mtimeMs < 5000 ? 'starting' : undefined
    return isAlive(Number(text), path) ? text : undefined
  } catch (error) {
    if (error.code === 'ENOENT') return 'ending'
    throw error
  }
}

// A lock with our own number that we do not hold is left from another container or another start of the machine.
function isAlive(pid, path) {
  if (pid === process.pid) return held.has(path)
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
