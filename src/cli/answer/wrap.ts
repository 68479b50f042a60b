import widthOf from 'fast-string-width'
import { printable } from '../../index.ts'
import type { StyledText } from '../styled.ts'

const ANYWHERE = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}'
/** White space, a character of a script that is broken anywhere, or a word. No-break spaces are part of words. */
const UNITS = new RegExp(`[ \\t]+|[${ANYWHERE}]|[^ \\t${ANYWHERE}]+`, 'gu')
const BEGINS_NO_WORD = new RegExp(`^[ \\t${ANYWHERE}]`, 'u')

/**
 * Breaks the lines of a text at words, as it comes: the beginning of a word is written at once, and moved to the next
 * line where its rest does not fit. Lines of code are left to the terminal.
 */
export class WordWrap {
  readonly #show: (piece: StyledText) => string
  /** Where the cursor is in its line. */
  #column = 0
  /** What is written of the word at whose end the cursor is. */
  #word = ''
  #wordWidth = 0

  /** `show` returns what is written to a terminal for a piece of text. */
  constructor(show: (piece: StyledText) => string) {
    this.#show = show
  }

  /** What to write for `piece` on a terminal of `columns`. */
  push(piece: StyledText, columns: number): string {
    const { text, isCode = false } = typeof piece === 'string' ? { text: piece } : piece
    const styled = (part: string) => (typeof piece === 'string' ? part : { ...piece, text: part })
    const lines = printable(text).split('\n')
    return lines
      .map((line, i) => {
        if (i > 0) this.#begin(0)
        const units = isCode ? [line] : (line.match(UNITS) ?? [])
        return units.map((unit) => this.#take(unit, this.#show(styled(unit)), columns)).join('')
      })
      .join('\n')
  }

  #begin(column: number): void {
    this.#column = column
    this.#word = ''
    this.#wordWidth = 0
  }

  #take(unit: string, shown: string, columns: number): string {
    const width = widthOf(unit)
    // The last column stays free: a cursor behind it is moved in a way of its own.
    const most = columns - 1
    if (BEGINS_NO_WORD.test(unit)) this.#begin(this.#column)
    const isSpace = unit.trim() === ''
    if (isSpace && this.#column + width > most) {
      this.#begin(columns) // the next word begins a line
      return ''
    }
    const before = this.#word
    const beforeWidth = this.#wordWidth
    const fits = this.#column + width <= most
    const canMove = this.#column > beforeWidth && beforeWidth + width <= most
    this.#word += shown
    this.#wordWidth += width
    if (fits || !canMove) {
      // What is longer than a line is broken by the terminal.
      this.#column = fits ? this.#column + width : (this.#column + width) % columns
      if (isSpace) this.#begin(this.#column)
      return shown
    }
    this.#column = this.#wordWidth
    return `${beforeWidth > 0 ? `\x1b[${beforeWidth}D\x1b[K` : ''}\n${before}${shown}`
  }
}
