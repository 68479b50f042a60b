// The identity of a folder, without git: the id git would give its tree (slow, certain), and a fingerprint of
// names, sizes and times (fast, tells whether anything was touched since the id was last computed).
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** git's tree id of `folder` as it is on disk; empty folders do not count, as in git. */
export function treeId(folder) {
  return tree(folder).toString('hex')
}

function tree(folder) {
  const entries = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === '.git') continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!isEmpty(path))
        entries.push({ mode: '40000', name: entry.name, sortAs: `${entry.name}/`, id: tree(path) })
    } else {
      entries.push({ mode: modeOf(path, entry), name: entry.name, sortAs: entry.name, id: blob(path, entry) })
    }
  }
  // git sorts by bytes, and a folder as if its name ended in a slash.
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.sortAs), Buffer.from(b.sortAs)))
  const body = entries.flatMap(({ mode, name, id }) => [Buffer.from(`${mode} ${name}\0`), id])
  return objectId('tree', Buffer.concat(body))
}

function isEmpty(folder) {
  return readdirSync(folder, { withFileTypes: true }).every(
    (entry) => entry.isDirectory() && isEmpty(join(folder, entry.name)),
  )
}

function modeOf(path, entry) {
  if (entry.isSymbolicLink()) return '120000'
  return lstatSync(path).mode & 0o100 ? '100755' : '100644'
}

function blob(path, entry) {
  return objectId('blob', entry.isSymbolicLink() ? Buffer.from(readlinkSync(path)) : readFileSync(path))
}

function objectId(type, body) {
  return createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest()
}

/** Changes when a file of `folder` is added, removed or written to. */
export function fingerprint(folder) {
  const hash = createHash('sha256')
  const walk = (at) => {
    for (const entry of readdirSync(at, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(at, entry.name)
      if (entry.name === '.git') continue
      if (entry.isDirectory()) walk(path)
      else {
        const { size, mtimeMs } = lstatSync(path)
        hash.update(`${path.slice(folder.length)}\0${size}\0${mtimeMs}\0`)
      }
    }
  }
  walk(folder)
  return hash.digest('hex')
}

/** SHA-256 over names and contents of files and folders, in the order given. */
export function contentHash(base, paths) {
  const hash = createHash('sha256')
  const add = (path) => {
    const full = join(base, path)
    const stat = lstatSync(full, { throwIfNoEntry: false })
    if (stat?.isDirectory()) for (const name of readdirSync(full).sort()) add(`${path}/${name}`)
    else
      hash
        .update(`${path}\0`)
        .update(stat ? readFileSync(full) : 'absent')
        .update('\0')
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}
