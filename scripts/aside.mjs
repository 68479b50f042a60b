// What becomes of a vendor/llama.cpp that was not whole, once a whole one has taken its place.
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Words on what became of the folder that was there before. A folder that was only incomplete goes; one that held anything else is kept aside, in one copy. */
export function keepEdits(old, { at, aside, root }) {
  if (!holdsMore(old, at)) return ', in place of an incomplete one'
  rmSync(aside, { recursive: true, force: true })
  renameSync(old, aside)
  return `; what was there before, edited, lies in ${aside.slice(root.length + 1)}`
}

function holdsMore(old, fresh) {
  return readdirSync(old, { withFileTypes: true }).some((entry) => {
    const [was, is] = [join(old, entry.name), join(fresh, entry.name)]
    if (entry.name === '.git') return false
    if (entry.isDirectory()) return holdsMore(was, is)
    const now = lstatSync(is, { throwIfNoEntry: false })
    if (!entry.isFile() || !now?.isFile()) return now === undefined
    // A file that a broken copy left empty or short is a beginning of the real one, not somebody's work.
    const [before, after] = [readFileSync(was), readFileSync(is)]
    return !after.subarray(0, before.length).equals(before)
  })
}
