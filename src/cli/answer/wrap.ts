import widthOf from 'fast-string-width'
import { printable } from '../../index.ts'
import type { StyledText } from '../styled.ts'

const ANYWHERE = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}'
/** White space, a character of a script that is broken anywhere, or a word. No-break spaces are part of words. */
const UNITS = new RegExp(`[ \\t]+|[${ANYWHERE}]|[^ \\t${ANYWHERE}]+`, 'gu')
const BEGINS_NO_WORD = new RegExp(`^[ \\t${ANYWHERE}]`, 'u')
/** On a narrower terminal nothing is gained. */
const FEWEST_COLUMNS = 4

/**
 * Breaks the lines of a text at words, as it comes: the beginning of a word is written at once, and moved to the next
 * line where its rest does not fit. Lines of code are left to the terminal.
 */
export class WordWrap {
  readonly #show: (piece: StyledText) => string
  /** Where the cursor is in its line. */
  #column = 0
  /** The word at whose end the cursor is, and what is written of it. */
  #word = ''
  #shown = ''
  /** White space that did not fit was left out: the next word begins a line. */
  #isFull = false

  /** `show` returns what is written to a terminal for a piece of text. */
  constructor(show: (piece: StyledText) => string) {
    this.#show = show
  }

  /** What to write for `piece` on a terminal of `columns`. */
  push(piece: StyledText, columns: number): string {
    if (columns < FEWEST_COLUMNS) return this.#show(piece)
    const { text, isCode = false } = typeof piece === 'string' ? { text: piece } : piece
    const styled = (part: string) => this.#show(typeof piece === 'string' ? part : { ...piece, text: part })
    const lines = printable(text).split('\n')
    return lines
      .map((line, i) => {
        if (i > 0) this.#begin(0)
        if (isCode) return this.#pass(line, styled(line), columns)
        const units = line.match(UNITS) ?? []
        return units.map((unit) => this.#take(unit, styled(unit), columns)).join('')
      })
      .join('\n')
  }

  #begin(column: number): void {
    this.#column = column
    this.#word = ''
    this.#shown = ''
    this.#isFull = false
  }

  // What is longer than a line is broken by the terminal.
  #pass(text: string, shown: string, columns: number): string {
    this.#begin((this.#column + widthOf(text)) % columns)
    return shown
  }

  #take(unit: string, shown: string, columns: number): string {
    // The last column stays free: a cursor behind it is moved in a way of its own.
    const most = columns - 1
    const isSpace = unit.trim() === ''
    if (isSpace && this.#column + widthOf(unit) > most) {
      this.#begin(this.#column)
      this.#isFull = true
      return ''
    }
    const lead = this.#isFull ? '\n' : ''
    if (this.#isFull) this.#begin(0)
    if (BEGINS_NO_WORD.test(unit)) this.#begin(this.#column)
    const { before, width, past } = this.#extend(unit, shown)
    const start = this.#column - past
    if (start + width <= most || start <= 0 || width > most) {
      const end = start + width
      this.#column = end <= most ? end : end % columns
      if (isSpace) this.#begin(this.#column)
      return `${lead}${shown}`
    }
    this.#column = width
    return `${lead}${past > 0 ? `\x1b[${past}D\x1b[K` : ''}\n${before}${shown}`
  }

  /** Adds to the word. Emoji may be made of several characters, so that the whole of it is measured. */
  #extend(unit: string, shown: string): { before: string; past: number; width: number } {
    const [before, past] = [this.#shown, widthOf(this.#word)]
    this.#word += unit
    this.#shown += shown
    return { before, past, width: widthOf(this.#word) }
  }
}
