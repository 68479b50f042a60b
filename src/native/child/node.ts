/** Child processes of ours run on the same Node.js as the program. */
import type { ChildProcess } from 'node:child_process'
import type { NativeBinding } from '../contract.ts'

/** Of children in which something is tried that they may die of. */
export type TrialRole = 'opening'

export type ChildRole = TrialRole | 'engine'

/** Tells a child what it is for. */
export const CHILD_ROLE = 'GPT4ALL_CHILD'

/**
 * Whether a child for `role` may be started: not where `process.execPath` is a program with a Node.js inside, which would
 * start itself again, and again where it did not notice the first time.
 */
export function canStart(role: ChildRole): boolean {
  const own = process.env[CHILD_ROLE]
  if (own === role || own === 'opening' || 'pkg' in process) return false
  const sea = process.getBuiltinModule?.('node:sea')
  return !sea?.isSea()
}

/** Whether this process is an isolated engine. */
export const isEngine = () => process.env[CHILD_ROLE] === ('engine' satisfies ChildRole)

/** Starts a child that ends with this thread, also where that is terminated, and leaves nothing in the table of processes. */
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
