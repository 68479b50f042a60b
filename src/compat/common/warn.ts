/** Node.js writes it to stderr, unless the program listens to warnings itself. */
export function warn(message: string): void {
  process.emitWarning(message, { code: 'GPT4ALL_COMPAT' })
}

const told = new Set<string>()

/** The same, once per process. */
export function warnOnce(message: string): void {
  if (told.has(message)) return
  told.add(message)
  warn(message)
}
