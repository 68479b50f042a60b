// The llama.cpp that the addon is built from: a copy of vendor/llama.cpp with vendor/patches applied. The vendored tree
// itself stays as its authors published it, byte for byte.
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './paths.mjs'
import { reason, run } from './process.mjs'
import { Stop } from './steps.mjs'

/** What no build of the addon reads, and most of the tree's size. */
const LEFT_OUT = new Set(
  '.git .github benches conversion docs examples gguf-py media models tests tools'.split(' '),
)

/** Where things lie; tests give another `root`. */
export function patchesRoom({ root: home = root } = {}) {
  return {
    vendor: join(home, 'vendor', 'llama.cpp'),
    patches: join(home, 'vendor', 'patches'),
    work: join(home, '.cache', 'patch-work'),
    at: join(home, '.cache', 'llama.cpp'),
    stamp: join(home, '.cache', 'llama.cpp.json'),
  }
}

/** Makes sure that the copy is there and patched. Files that stay the same keep their times, so that a build goes on. */
export async function patchVendor(vendorId, room = patchesRoom()) {
  const names = existsSync(room.patches)
    ? readdirSync(room.patches).filter((name) => name.endsWith('.patch'))
    : []
  const patches = names.sort().map((name) => ({ name, text: readFileSync(join(room.patches, name)) }))
  const key = keyOf(vendorId, patches)
  const known = readStamp(room.stamp)
  if (known?.key === key && existsSync(room.at)) return
  const files = [...new Set(patches.flatMap(({ text }) => patchedFiles(text.toString())))]
  rmSync(room.stamp, { force: true }) // an interrupted run leaves none
  if (known?.vendorId !== vendorId || !existsSync(room.at)) copyTree(room)
  const patched = await applyPatches(patches, files, room)
  for (const file of new Set([...files, ...(known?.files ?? [])])) {
    const content = patched.has(file) ? patched.get(file) : read(join(room.vendor, file))
    place(join(room.at, file), content)
  }
  writeFileSync(room.stamp, `${JSON.stringify({ key, vendorId, files })}\n`)
}

function keyOf(vendorId, patches) {
  const hash = createHash('sha256').update(vendorId)
  for (const { name, text } of patches) hash.update(`\0${name}\0`).update(text)
  return hash.digest('hex')
}

/** The files that a patch changes or makes. */
function patchedFiles(text) {
  return [...text.matchAll(/^\+\+\+ b\/(.+?)\r?$/gm)].map(([, path]) => path)
}

function copyTree({ vendor, at }) {
  rmSync(at, { recursive: true, force: true })
  mkdirSync(at, { recursive: true })
  for (const name of readdirSync(vendor)) {
    if (LEFT_OUT.has(name)) continue
    cpSync(join(vendor, name), join(at, name), { recursive: true, preserveTimestamps: true })
  }
}

/** The files' contents as the patches make them of the vendored ones, in the order of the patches' names. */
async function applyPatches(patches, files, { vendor, work, patches: folder }) {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    for (const file of files) {
      const original = read(join(vendor, file))
      if (original) place(join(work, file), original)
    }
    for (const { name } of patches) {
      const args = ['apply', '--whitespace=nowarn', join(folder, name)]
      // git must not find the repository that this folder lies in: it would pass over files that are ignored there.
      const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(work) }
      const { code, output } = await run('git', args, { cwd: work, env })
      if (code !== 0) {
        throw new Stop(
          `vendor/patches/${name} does not fit the vendored llama.cpp (${reason({ output })}): bring it up to date, or remove it where upstream has it.`,
        )
      }
    }
    return new Map(files.map((file) => [file, readFileSync(join(work, file))]))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Writes what differs, and only that; no content = no file. */
function place(path, content) {
  if (content === undefined) return rmSync(path, { force: true })
  if (read(path)?.equals(content)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

function read(path) {
  return existsSync(path) ? readFileSync(path) : undefined
}

function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
