import type { Logger } from '../../src/index.ts'

/** A logger whose lines can be read. */
export function recorder(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = []
  const note = (line: string) => void lines.push(line)
  return { lines, logger: { debug: note, info: note, warn: note, error: note } }
}
