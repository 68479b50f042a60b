// Anonymous resident memory: what a process holds itself, without the files that it maps. Linux tells it.
import { readFileSync } from 'node:fs'

/** Bytes that a process, this one by default, holds in memory of its own. */
export function anonymousMemory(pid = 'self') {
  const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!found) throw new Error('this system does not tell the anonymous memory of a process')
  return Number(found[1]) * 1024
}
