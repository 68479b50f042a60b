import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

/** What may lie where a file is expected. */
export type NoFile = {
  /** Resolves once it lies at `path`. */
  place(path: string): Promise<void> | void
  /** Does something with it; by itself where nothing else is said. */
  during?<T>(work: () => Promise<T>): Promise<T>
}

const linkTo = (target: string) => ({ place: (path: string) => symlinkSync(target, path) })

/** Nobody's rights: root may read everything. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    return await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

/** Devices only behind links: as root, what is wrong here could take them away. */
export const NO_FILES: Readonly<Record<string, NoFile>> = {
  'a named pipe': { place: (path) => void execFileSync('mkfifo', [path]) },
  'a link to a named pipe': {
    place: (path) => {
      execFileSync('mkfifo', [`${path}.pipe`])
      symlinkSync(`${path}.pipe`, path)
    },
  },
  'a device without end': linkTo('/dev/zero'),
  'a device that is full': linkTo('/dev/full'),
  'a device of chance': linkTo('/dev/random'),
  'a folder': { place: (path) => mkdirSync(path) },
  'a socket': { place: socket },
  'links in a circle': {
    place: (path) => {
      symlinkSync(path, `${path}.link`)
      symlinkSync(`${path}.link`, path)
    },
  },
  'a link to nothing': linkTo('nothing-there'),
  'a file without read permission': {
    place: (path) => {
      writeFileSync(path, 'secret', { mode: 0o000 })
      chmodSync(dirname(path), 0o755)
    },
    during: asNobody,
  },
  'a file that cannot be read (EIO)': linkTo('/proc/self/mem'),
}

/** Moved, since a server takes its name with it. */
async function socket(path: string): Promise<void> {
  const server = createServer()
  const made = join(dirname(path), '.socket')
  await new Promise<void>((resolve) => server.listen(made, resolve))
  renameSync(made, path)
  await new Promise((resolve) => server.close(resolve))
}
