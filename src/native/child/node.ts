/** Our child processes run on the same Node.js as the program. */
import type { ChildProcess } from 'node:child_process'
import type { NativeBinding } from '../contract.ts'

/** For children that try something on which they may crash. */
export type TrialRole = 'opening'

export type ChildRole = TrialRole | 'engine'

/** The environment variable with a child's role. */
export const CHILD_ROLE = 'GPT4ALL_CHILD'

/**
 * Whether a child for `role` may be started: not if `process.execPath` is a program with a Node.js inside,
 * which would start itself again, and over and over if it did not notice.
 */
export function canStart(role: ChildRole): boolean {
  const own = process.env[CHILD_ROLE]
  if (own === role || own === 'opening' || 'pkg' in process) return false
  const sea = process.getBuiltinModule?.('node:sea')
  return !sea?.isSea()
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
