// One line per step on stderr: what it does, how far it is, how long it took. stdout belongs to the answers.
import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const terminal = process.stderr.isTTY === true && process.env.TERM !== 'dumb'
const PLAIN_EVERY_MS = 10_000
const BAR = 24

/** A failure that was foreseen: its message is all that the user needs, no stack. */
export class Stop extends Error {}

/** Runs `work` when the module at `url` is the program, not an import; a `Stop` becomes its message and exit code 1. */
export function main(url, work) {
  if (process.argv[1] === undefined || url !== pathToFileURL(realpathSync(process.argv[1])).href) return
  work().catch((error) => {
    process.stderr.write(`\n${error instanceof Stop ? error.message : error.stack}\n`)
    process.exitCode = 1
  })
}

/**
 * Runs `work(report)` as one step. `report(text, fraction)` shows progress, `fraction` from 0 to 1 where it is
 * known; what `work` resolves with is shown behind the title when it is done.
 */
export async function step(title, work, out = process.stderr) {
  const line = terminal ? new TerminalLine(title, out) : new PlainLine(title, out)
  try {
    const detail = await work((text, fraction) => line.report(text, fraction))
    line.end(terminal ? '✓' : 'ok', detail ?? '')
    return detail
  } catch (error) {
    line.end(terminal ? '✗' : 'failed', '')
    throw error
  }
}

export function seconds(ms) {
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/** `[########----------------]  33 %` */
export function bar(fraction, width = BAR) {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width)
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${String(Math.floor(fraction * 100)).padStart(3)} %`
}

class TerminalLine {
  #started = Date.now()
  #text = ''
  #fraction
  #timer

  constructor(title, out) {
    this.title = title
    this.out = out
    this.#timer = setInterval(() => this.#draw(), 100)
    this.#timer.unref()
  }

  report(text, fraction) {
    this.#text = text
    this.#fraction = fraction
  }

  #draw() {
    const progress = this.#fraction === undefined ? '' : ` ${bar(this.#fraction)}`
    const text = `· ${this.title.padEnd(14)}${progress} ${this.#text} ${seconds(Date.now() - this.#started)}`
    this.out.write(`\r\x1b[2K${text.slice(0, (this.out.columns ?? 80) - 1)}`)
  }

  end(mark, detail) {
    clearInterval(this.#timer)
    this.out.write(
      `\r\x1b[2K${mark} ${this.title.padEnd(14)} ${detail} (${seconds(Date.now() - this.#started)})\n`,
    )
  }
}

/** Where no line can be rewritten: one at the end, and one now and then before it. */
class PlainLine {
  #started = Date.now()
  #text = ''
  #fraction
  #timer

  constructor(title, out) {
    this.title = title
    this.out = out
    this.#timer = setInterval(() => this.#write(), PLAIN_EVERY_MS)
    this.#timer.unref()
  }

  report(text, fraction) {
    this.#text = text
    this.#fraction = fraction
  }

  #write() {
    const progress = this.#fraction === undefined ? '' : ` ${bar(this.#fraction)}`
    this.out.write(`... ${this.title}:${progress} ${this.#text} (${seconds(Date.now() - this.#started)})\n`)
  }

  end(mark, detail) {
    clearInterval(this.#timer)
    this.out.write(`${mark} ${this.title}: ${detail} (${seconds(Date.now() - this.#started)})\n`)
  }
}
