import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { GPT4AllError } from '../../core/errors.ts'
import { outsideArchive, ownFolder } from '../package.ts'

/** The programs of our child processes, each a file of `dist/`, and what runs in them. */
const PROGRAMS = {
  'engine-host': 'the isolated engine',
  trial: 'the trial of a model file',
} as const

export type ProgramName = keyof typeof PROGRAMS

/**
 * A program of ours, in our own package. If a bundler has put this code elsewhere, the package is looked for
 * as the bundle would require it, and for an isolated engine from the working folder as well.
 * @throws {GPT4AllError} `ERR_BINDING` if it is not there
 */
export function programFile(name: ProgramName): string {
  const path = join('dist', `${name}.cjs`)
  const tried = new Set<string>()
  for (const folder of packageFolders(name)) {
    const file = outsideArchive(join(folder, path))
    if (existsSync(file)) return file
    tried.add(file)
  }
  const places = tried.size > 0 ? ` It is not at ${[...tried].join(', nor at ')}.` : ''
  const message = `The program of ${PROGRAMS[name]} (gpt4all-ts/${path}) was not found.${places} Keep the package gpt4all-ts installed beside a bundle, or mark it as external; in a checkout, run \`npm run setup\`.`
  throw new GPT4AllError('ERR_BINDING', message)
}

function* packageFolders(name: ProgramName): Generator<string> {
  const own = ownFolder(import.meta.dirname)
  if (own !== undefined) yield own
  yield* installed(join(import.meta.dirname, 'bundle.cjs'))
  // Trials start by default, and a stranger may have written what is in the working folder.
  if (name === 'engine-host') yield* installed(join(process.cwd(), 'program.cjs'))
}

/** The package that a file at `from` would require. */
function installed(from: string): string[] {
  try {
    return [join(createRequire(from).resolve('gpt4all-ts/package.json'), '..')]
  } catch {
    return []
  }
}
