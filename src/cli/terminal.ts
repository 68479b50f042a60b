import { type Logger, type Progress, printableLine } from '../index.ts'
import { WordWrap } from './answer/wrap.ts'
import { obeysEscapes, type StyledText, shown } from './styled.ts'

/** Where a command writes: results to stdout, all else to stderr. */
export type Terminal = {
  readonly quiet: boolean
  /** A result for people, or as JSON, followed by a line feed. */
  result(...pieces: readonly StyledText[]): void
  /** A result for programs, unchanged unless stdout is a terminal, followed by a line feed. */
  data(text: string): void
  /** Writes a part of a result for programs; a terminal gets lines that are broken at words. */
  write(...pieces: readonly StyledText[]): Promise<void>
  /** A message about progress; not with `--quiet`. */
  note(...pieces: readonly StyledText[]): void
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
  const { stdout } = process
  const note = (...pieces: readonly StyledText[]) => {
    if (!quiet) toStderr(...pieces)
  }
  const nothing = () => {}
  const wrap = new WordWrap((piece) => shown([piece], stdout))
  const logger: Logger = {
    debug: nothing,
    info: verbose ? note : nothing,
    warn: (line) => note(`warning: ${line}`),
    error: (line) => toStderr(`error: ${line}`),
  }
  const bars = !quiet && process.stderr.isTTY === true
  return {
    quiet,
    result: (...pieces) => void stdout.write(`${shown(pieces, stdout)}\n`),
    data: (text) => void stdout.write(`${exact([text])}\n`),
    write: (...pieces) =>
      new Promise((resolve) => {
        if (stdout.write(exact(pieces, wrap))) resolve()
        else stdout.once('drain', resolve)
      }),
    note,
    logger,
    progress: { verbose: bars, logger, ...(!quiet && !bars && { onProgress: lines(note) }) },
  }
}

/** A line for each tenth of a download or similar; nothing for loading, which takes a second. */
function lines(note: (text: string) => void): (progress: Progress) => void {
  let latest = ''
  return ({ phase, bytes, total }) => {
    if (phase === 'load' || total === undefined) return
    const tenth = `${phase}: ${10 * Math.floor((10 * bytes) / total)} % of ${size(total)}`
    if (tenth !== latest) note(tenth)
    latest = tenth
  }
}

export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1000)} kB`
}

/** Writes a line to stderr, even with `--quiet`. */
export function toStderr(...pieces: readonly StyledText[]): void {
  process.stderr.write(`${shown(pieces, process.stderr)}\n`)
}

/** The text to write to stdout: programs get every byte, and a terminal whole words where there is a `wrap`. */
function exact(pieces: readonly StyledText[], wrap?: WordWrap): string {
  const { stdout } = process
  if (wrap && obeysEscapes(stdout) && stdout.columns > 0)
    return pieces.map((piece) => wrap.push(piece, stdout.columns)).join('')
  return stdout.isTTY === true ? shown(pieces, stdout) : shown(pieces, stdout, (text) => text)
}

/** Rows with aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printableLine))
  const widths = cells[0]?.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0))) ?? []
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What the commands share. */
export type Context = { readonly terminal: () => Terminal }
