/** Our child processes run on the same Node.js as the program. */
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { NativeBinding } from '../contract.ts'
import { mayRunAsNode } from './electron.ts'

/** For children that try something on which they may crash. */
export type TrialRole = 'opening'

export type ChildRole = TrialRole | 'engine'

/** The environment variable with a child's role. */
export const CHILD_ROLE = 'GPT4ALL_CHILD'

/** What a program may be that runs JavaScript, as far as it tells. */
type Host = {
  readonly Bun?: { readonly main?: string; readonly version?: string }
  readonly Deno?: { readonly build?: { readonly standalone?: boolean } }
}

/** Paths of the files inside an executable made by `bun build --compile`. */
const IN_BUN_EXECUTABLE = /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/i
/** The first version whose executables become Bun itself where `BUN_BE_BUN` is set. */
const BUN_WITH_ITSELF = [1, 2, 16]

/**
 * Whether a child for `role` may be started: only if `process.execPath` is sure to be a program that runs our
 * file. A program with a Node.js inside would start itself again, and over and over if it did not notice.
 */
export function canStart(role: ChildRole): boolean {
  const own = process.env[CHILD_ROLE]
  if (own === role || own === 'opening') return false
  const { Bun, Deno } = globalThis as Host
  if (Bun) return !IN_BUN_EXECUTABLE.test(Bun.main ?? '') || isAtLeast(Bun.version, BUN_WITH_ITSELF)
  if (Deno) return Deno.build?.standalone !== true
  if ('electron' in process.versions) return mayRunAsNode(process.execPath)
  return isNode()
}

/**
 * Node.js by its name, or by a script that it runs: executables with a Node.js inside (pkg, nexe, single
 * executables, programs that embed it) have another name, and run no file on the disk.
 */
function isNode(): boolean {
  if ('pkg' in process || '__nexe' in process || isSingleExecutable()) return false
  if (/^node(js)?(-?v?\d[\d.]*)?(\.exe)?$/i.test(basename(process.execPath))) return true
  const script = process.argv[1]
  return (
    script !== undefined &&
    script !== process.execPath &&
    /\.[cm]?[jt]sx?$/.test(script) &&
    existsSync(script)
  )
}

/** As far as Node.js tells: it does since 20.16 and 22.3. Older ones have the name of the program. */
function isSingleExecutable(): boolean {
  return process.getBuiltinModule?.('node:sea')?.isSea() ?? false
}

function isAtLeast(version = '', least: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  const at = least.findIndex((part, i) => part !== parts[i])
  return at < 0 || (parts[at] ?? 0) > least[at]!
}

/** Whether this process is an isolated engine. */
export const isEngine = () => process.env[CHILD_ROLE] === ('engine' satisfies ChildRole)

/**
 * Starts a child that ends with this thread, even if that is terminated, and leaves no entry in the process
 * table.
 */
export function startWithThread<Child extends ChildProcess>(
  binding: NativeBinding,
  start: () => Child,
): Child {
  const child = binding.startChild(start)
  const { pid } = child
  if (pid === undefined) return child
  binding.holdChild(pid)
  child.once('exit', () => binding.dropChild(pid))
  return child
}
