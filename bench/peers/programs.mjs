// A side of the benchmark against other libraries, run in a process of its own: see answer.mjs.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inRoot } from '../../scripts/paths.mjs'

const execute = promisify(execFile)
const LONGEST = 300_000 // ms
const MAX_OUTPUT = 2 ** 26

/** Runs one job of bench/peers/`name`.mjs; resolves with what it answers. */
export async function peer(name, job, options) {
  const args = [inRoot('bench', 'peers', `${name}.mjs`), job, JSON.stringify(options)]
  const { stdout } = await execute(process.execPath, args, {
    cwd: inRoot(),
    maxBuffer: MAX_OUTPUT,
    timeout: LONGEST,
  })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}
