/** Child processes of ours run on the same Node.js as the program. */

type Role = 'vetting' | 'engine'

/** Tells a child what it is for. */
const ROLE = 'GPT4ALL_CHILD'

/**
 * Whether a child for `role` may be started: not where `process.execPath` is a program with a Node.js inside, which would
 * start itself again, and again where it did not notice the first time.
 */
export function canStart(role: Role): boolean {
  const own = process.env[ROLE]
  if (own === role || own === 'vetting' || 'pkg' in process) return false
  const sea = process.getBuiltinModule?.('node:sea')
  return !sea?.isSea()
}

/** The environment of such a child: that of this process, without what is meant for the program itself. */
export function environmentOf(role: Role): NodeJS.ProcessEnv {
  return { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '', [ROLE]: role }
}
