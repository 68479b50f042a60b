/** Electron runs as Node.js where `ELECTRON_RUN_AS_NODE` is set, unless its makers have switched that off. */
import { closeSync, openSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What stands before the switches ("fuses") in Electron's binary, as @electron/fuses looks for it. */
const SENTINEL = Buffer.from('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX')
/** Of the switches, after their version and their number, the first is the one for Node.js. */
const FIRST = SENTINEL.length + 2
const OFF = ['0', 'r']
const CHUNK = 4 * 2 ** 20

const known = new Map<string, boolean>()

/** Whether the Electron program at `execPath` becomes Node.js when asked to. Read once: it may have 200 MB. */
export function mayRunAsNode(execPath: string): boolean {
  const may = known.get(execPath) ?? !isSwitchedOff(binaryOf(execPath))
  known.set(execPath, may)
  return may
}

function binaryOf(execPath: string): string {
  const framework = 'Electron Framework.framework/Electron Framework'
  return process.platform === 'darwin' ? join(dirname(execPath), '..', 'Frameworks', framework) : execPath
}

function isSwitchedOff(path: string): boolean {
  const first = switchIn(path)
  return first === undefined || OFF.includes(first)
}

/** The first switch; `undefined` where the file does not have it, or cannot be read. */
function switchIn(path: string): string | undefined {
  try {
    const file = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(CHUNK)
      // Pieces overlap by what is looked for.
      for (let at = 0; ; at += CHUNK - FIRST - 1) {
        const read = readSync(file, buffer, 0, CHUNK, at)
        const found = buffer.subarray(0, read).indexOf(SENTINEL)
        if (found >= 0 && found + FIRST < read) return String.fromCharCode(buffer[found + FIRST]!)
        if (read < CHUNK) return undefined
      }
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}
