import { createInterface, type Interface } from 'node:readline'
import { deferred } from '../core/async.ts'
import { EXIT } from './failure.ts'
import { paint, shown } from './styled.ts'

const PROMPT = '> '
const MORE = '. '
const FENCE = '"""'
const MOST_REMEMBERED = 500
/** Makes terminals that support it mark where a paste begins and ends; a paste is one message. */
const [MARK_PASTES, LEAVE_PASTES] = ['\u001b[?2004h', '\u001b[?2004l']
/** In other terminals, lines that arrive faster than a person types were pasted. */
const PASTE_MS = 15

type Paste = { readonly over: Promise<void>; readonly end: () => void }
/** A line that has not been asked for yet, when it came, and the paste that it belongs to. */
type EarlyLine = { readonly line: string; readonly at: number; readonly paste: Paste | undefined }

/** What the user types, message by message. */
export class Input {
  readonly #lines: Interface
  readonly #isTerminal = process.stdin.isTTY === true
  #history: string[]
  #waiting: ((line: string | undefined) => void) | undefined
  readonly #early: EarlyLine[] = []
  #isOver = false
  #onInterrupt: (() => void) | undefined
  #isLeaving = false
  /** The paste in progress now. */
  #pasting: Paste | undefined
  /** When the line that was taken last came, and the paste that it belongs to. */
  #last: Omit<EarlyLine, 'line'> = { at: 0, paste: undefined }

  constructor(history: readonly string[]) {
    this.#history = [...history]
    this.#lines = createInterface({
      input: process.stdin,
      output: this.#isTerminal ? process.stdout : undefined,
      terminal: this.#isTerminal,
      history: [...history],
      historySize: MOST_REMEMBERED,
    })
    this.#lines.on('history', (all) => {
      this.#history = all
    })
    this.#lines.on('line', (line) => this.#take(line))
    this.#lines.on('close', () => {
      this.#isOver = true
      this.#waiting?.(undefined)
    })
    this.#lines.on('SIGINT', () => this.#interrupt())
    if (!this.#isTerminal) return
    process.stdout.write(MARK_PASTES)
    process.stdin.on('keypress', this.#onKey)
  }

  readonly #onKey = (_: unknown, { name }: { readonly name?: string }) => {
    if (name === 'paste-end') this.#endPaste()
    if (name !== 'paste-start') return
    const { promise: over, resolve: end } = deferred()
    this.#pasting = { over, end }
  }

  #endPaste(): void {
    this.#pasting?.end()
    this.#pasting = undefined
  }

  /** Latest first, as readline requires. */
  get history(): readonly string[] {
    return this.#history
  }

  /** The next message; `undefined` at the end of the input. */
  async next(): Promise<string | undefined> {
    this.#prompt(PROMPT)
    let message = await this.#line()
    if (message === undefined) return undefined
    if (message.trimStart().startsWith(FENCE)) return this.#fenced(message.trimStart().slice(FENCE.length))
    while (message.endsWith('\\')) {
      this.#prompt(MORE)
      message = `${message.slice(0, -1)}\n${(await this.#line()) ?? ''}`
    }
    return this.#isTerminal ? this.#withPasted(message) : message
  }

  /** Ctrl-C calls `stop` until the returned function is called. */
  onInterrupt(stop: () => void): () => void {
    this.#onInterrupt = stop
    return () => {
      this.#onInterrupt = undefined
    }
  }

  close(): void {
    this.#lines.close()
    this.#endPaste()
    if (!this.#isTerminal) return
    process.stdin.off('keypress', this.#onKey)
    process.stdout.write(LEAVE_PASTES)
  }

  async #fenced(begun: string): Promise<string> {
    const lines = [begun]
    while (!lines.at(-1)?.trimEnd().endsWith(FENCE)) {
      this.#prompt(MORE)
      const line = await this.#line()
      if (line === undefined) break
      lines.push(line)
    }
    return lines.join('\n').trimEnd().replace(/"""$/, '').trim()
  }

  async #withPasted(first: string): Promise<string> {
    const lines = [first]
    const { paste } = this.#last
    if (paste) await paste.over
    for (;;) {
      if (!paste) await new Promise((resolve) => setTimeout(resolve, PASTE_MS))
      if (this.#early.length > 0) {
        // What was typed while an answer came are messages of their own.
        while (this.#isPastedNext(paste)) lines.push((await this.#line()) ?? '')
        if (this.#early.length > 0) return lines.join('\n')
      } else if (this.#lines.line === '' || (lines.length === 1 && !paste)) return lines.join('\n')
      else return [...lines, (await this.#line()) ?? ''].join('\n') // the last line waits for Enter
    }
  }

  #isPastedNext(paste: Paste | undefined): boolean {
    const next = this.#early[0]
    if (!next || next.paste !== paste) return false
    return paste !== undefined || next.at - this.#last.at <= PASTE_MS
  }

  #prompt(text: string): void {
    if (!this.#isTerminal || this.#early.length > 0) return
    this.#lines.setPrompt(shown([paint('cyan', text)], process.stdout))
    this.#lines.prompt()
  }

  #line(): Promise<string | undefined> {
    const early = this.#early.shift()
    if (early) this.#last = early
    if (early || this.#isOver) return Promise.resolve(early?.line)
    return new Promise((resolve) => {
      this.#waiting = (line) => {
        this.#waiting = undefined
        resolve(line)
      }
    })
  }

  #take(line: string): void {
    this.#isLeaving = false
    const came = { at: performance.now(), paste: this.#pasting }
    if (this.#waiting) {
      this.#last = came
      this.#waiting(line)
    } else this.#early.push({ line, ...came })
  }

  // Ctrl-C stops an answer; at the prompt it clears the line, and a second one in a row leaves.
  #interrupt(): void {
    if (this.#onInterrupt) this.#onInterrupt()
    else if (this.#isLeaving) {
      process.exitCode = EXIT.interrupted
      this.#lines.close()
    } else {
      this.#isLeaving = true
      process.stdout.write(shown(['\n', paint('dim', '(press Ctrl-C again to leave)'), '\n'], process.stdout))
      this.#lines.write(null, { ctrl: true, name: 'u' })
      this.#lines.prompt()
    }
  }
}
