import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly messages: unknown[]
  readonly stdout: string
  readonly stderr: string
}

export type ChildOptions = {
  readonly env?: NodeJS.ProcessEnv
  readonly execArgv?: readonly string[]
  readonly onMessage?: (message: unknown, child: ChildProcess) => void
}

/** Runs a script of test/lifecycle/children in a process of its own, to its end. */
export function runChild(
  script: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Ended> {
  if (!existsSync(join(root, 'dist', 'index.js')))
    throw new Error('dist/ is missing: run `npm run build:dist`.')
  const child = fork(join(root, 'test', 'lifecycle', 'children', script), args, {
    silent: true,
    execArgv: [...(options.execArgv ?? [])],
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
  })
  const messages: unknown[] = []
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data) => {
    stdout += data
  })
  child.stderr?.on('data', (data) => {
    stderr += data
  })
  child.on('message', (message) => {
    messages.push(message)
    options.onMessage?.(message, child)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, messages, stdout, stderr }))
  })
}
