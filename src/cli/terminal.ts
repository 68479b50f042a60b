import { styleText } from 'node:util'
import type { Logger, Progress } from '../index.ts'

/** Where a command writes: results to stdout, all else to stderr. */
export type Terminal = {
  readonly quiet: boolean
  /** A result; a line feed follows. */
  result(text?: string): void
  /** Text of a result as it comes. */
  write(text: string): Promise<void>
  /** What is going on; not with `--quiet`. */
  note(text: string): void
  readonly logger: Logger
  /** Options that show progress: bars on a terminal, lines elsewhere. */
  readonly progress: {
    readonly verbose: boolean
    readonly logger: Logger
    readonly onProgress?: (progress: Progress) => void
  }
}

export function openTerminal({
  quiet,
  verbose,
}: {
  readonly quiet: boolean
  readonly verbose: boolean
}): Terminal {
  const note = (text: string) => {
    if (!quiet) process.stderr.write(`${text}\n`)
  }
  const nothing = () => {}
  const logger: Logger = {
    debug: nothing,
    info: verbose ? note : nothing,
    warn: (line) => note(`warning: ${line}`),
    error: (line) => void process.stderr.write(`error: ${line}\n`),
  }
  const bars = !quiet && process.stderr.isTTY === true
  return {
    quiet,
    result: (text = '') => void process.stdout.write(`${text}\n`),
    write: (text) =>
      new Promise((resolve) => {
        if (process.stdout.write(text)) resolve()
        else process.stdout.once('drain', resolve)
      }),
    note,
    logger,
    progress: { verbose: bars, logger, ...(!quiet && !bars && { onProgress: lines(note) }) },
  }
}

/** A line at every tenth of a download; nothing for what takes a second. */
function lines(note: (text: string) => void): (progress: Progress) => void {
  let told = ''
  return ({ phase, bytes, total }) => {
    if (phase === 'load' || total === undefined) return
    const tenth = `${phase}: ${10 * Math.floor((10 * bytes) / total)} % of ${size(total)}`
    if (tenth !== told) note(tenth)
    told = tenth
  }
}

export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1000)} kB`
}

/** Colours where stderr or stdout is a terminal, and `NO_COLOR` is not set. */
export function paint(
  style: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const coloured = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  return coloured ? styleText(style, text, { validateStream: false }) : text
}

/** Rows with their columns under each other. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
