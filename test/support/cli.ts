import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export const program = join(import.meta.dirname, '..', '..', 'dist', 'cli.cjs')

/** A home of its own: nothing is remembered, nothing lies in its models folder. */
export const home = mkdtempSync(join(tmpdir(), 'gpt4all-cli-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** Offline: an address where nobody answers. */
export const ENV = {
  ...process.env,
  HOME: home,
  USERPROFILE: home,
  XDG_STATE_HOME: join(home, 'state'),
  XDG_CACHE_HOME: join(home, 'cache'),
  GPT4ALL_MODELS_URL: 'http://127.0.0.1:9/',
}

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

export function start(args: readonly string[], env: Record<string, string> = {}, cwd = process.cwd()) {
  const child = spawn(process.execPath, [program, ...args], { env: { ...ENV, ...env }, cwd })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => {
    stdout += data
  })
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  /** Resolves when `pattern` is in what it has said to stdout or stderr. */
  const said = async (pattern: RegExp) => {
    for (;;) {
      const found = pattern.exec(stdout + stderr)
      if (found) return found
      await new Promise<void>((resolve, reject) => {
        const on = () => resolve()
        child.stdout.once('data', on)
        child.stderr.once('data', on)
        child.once('close', () => reject(new Error(`it ended without saying ${pattern}: ${stdout}${stderr}`)))
      })
    }
  }
  return { child, ended, said }
}

/** Runs it to its end; `input` comes through a pipe. */
export function run(
  args: readonly string[],
  input = '',
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Ended> {
  const { child, ended } = start(args, env, cwd)
  child.stdin.on('error', () => {}) // it may end without reading
  child.stdin.end(input)
  return ended
}
