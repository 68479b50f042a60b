import { paint } from './terminal.ts'

type Style = 'cyan' | 'bold' | undefined

/** What may become more than it is with the next piece: the beginning of a fence or a heading, half of a `**`. */
const UNCLEAR = /(?<=^|\n)(?: {0,3}`{1,2}|#{1,6})$|(?<!\*)\*$/
const TOKENS = /\n|`+|\*\*|\*|[^\n`*]+/g

/** Colours the Markdown of an answer as it comes: code, bold text, headings. Of the text itself nothing changes. */
export class Highlighter {
  readonly #stream: NodeJS.WriteStream
  #held = ''
  #line = ''
  #isFenced = false
  /** Of all that follows on the line, and of a part of it. */
  #ofLine: Style
  #ofPart: Style

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream
  }

  push(text: string): string {
    const all = this.#held + text
    // The beginning of a piece is the beginning of a line only where the line is empty so far.
    const unclear = UNCLEAR.exec(all)
    const waits = unclear && (unclear.index > 0 || unclear[0] === '*' || this.#line === '')
    this.#held = waits ? unclear[0] : ''
    return this.#paint(all.slice(0, all.length - this.#held.length))
  }

  /** What it still has. */
  end(): string {
    const rest = this.#held
    this.#held = ''
    return this.#paint(rest)
  }

  #paint(text: string): string {
    return (text.match(TOKENS) ?? []).map((token) => this.#token(token)).join('')
  }

  #token(token: string): string {
    if (token === '\n') {
      this.#line = ''
      this.#ofLine = this.#isFenced ? 'cyan' : undefined
      this.#ofPart = undefined
      return token
    }
    if (token.startsWith('```') && /^ {0,3}$/.test(this.#line)) {
      this.#isFenced = !this.#isFenced
      this.#ofLine = 'cyan'
    } else if (!this.#isFenced && this.#line === '' && /^#{1,6} /.test(token)) this.#ofLine = 'bold'
    this.#line += token
    const isMark = token.startsWith('`')
      ? 'cyan'
      : token === '**' && this.#ofPart !== 'cyan'
        ? 'bold'
        : undefined
    const style = this.#ofLine ?? isMark ?? this.#ofPart
    if (isMark) this.#ofPart = this.#ofPart === isMark ? undefined : isMark
    return style ? paint(style, token, this.#stream) : token
  }
}
