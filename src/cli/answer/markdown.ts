import type { StyledText } from '../styled.ts'

type Style = 'cyan' | 'bold' | undefined

/** What may precede a fence: white space, and marks of lists and quotations. */
const LEAD = /^[ \t]*(?:(?:[-*+]|\d+[.)]|>)[ \t]+)*$/
/** The rest of a line that is a fence, or may become one. */
const FENCE = /`{3,}[^`\n]*$/
/** What may become a heading, a `**`, or more backticks. */
const UNCLEAR = /(?:^#{1,6}|\*+|`+)$/
const TOKENS = /\n|`+|\*\*|\*|[^\n`*]+/g

/**
 * Colours code, bold text and headings in the Markdown of an answer as it comes. The text does not change.
 */
export class Highlighter {
  #held = ''
  #line = ''
  #isFenced = false
  /** Style of the rest of the line, and of a part of it. */
  #ofLine: Style
  #ofPart: Style

  push(text: string): StyledText[] {
    const all = this.#held + text
    this.#held = this.#unclear(all)
    return this.#paint(all.slice(0, all.length - this.#held.length))
  }

  /** Returns the text that is still held. */
  end(): StyledText[] {
    const rest = this.#held
    this.#held = ''
    return this.#paint(rest)
  }

  // The end of the text, which the next piece may turn into a mark.
  #unclear(all: string): string {
    const begin = all.lastIndexOf('\n') + 1
    const [said, line] = [begin > 0 ? '' : this.#line, all.slice(begin)]
    const fence = FENCE.exec(line)
    if (fence && LEAD.test(said + line.slice(0, fence.index))) return fence[0]
    const [mark = ''] = UNCLEAR.exec(line) ?? []
    return mark.startsWith('#') && said !== '' ? '' : mark
  }

  #paint(text: string): StyledText[] {
    const tokens = text.match(TOKENS) ?? []
    return tokens.map((token, i) => this.#token(token, tokens[i + 1], tokens[i + 2]))
  }

  #token(token: string, next: string | undefined, afterNext: string | undefined): StyledText {
    if (token === '\n') {
      this.#line = ''
      this.#ofLine = this.#isFenced ? 'cyan' : undefined
      this.#ofPart = undefined
      return token
    }
    // A fence is a whole line, so what may be one is held until the line ends.
    const rest = next === '\n' ? '' : afterNext === '\n' ? next : undefined
    const isFence = rest !== undefined && /^`{3,}$/.test(token) && LEAD.test(this.#line)
    if (isFence && this.#isFenced && rest.trim() === '') this.#isFenced = false
    else if (isFence && !this.#isFenced) {
      this.#isFenced = true
      this.#ofLine = 'cyan'
    } else if (!this.#isFenced && this.#line === '' && /^#{1,6} /.test(token)) this.#ofLine = 'bold'
    this.#line += token
    const mark = this.#markOf(token, next)
    const style = this.#ofLine ?? mark ?? this.#ofPart
    if (mark) this.#ofPart = this.#ofPart === mark ? undefined : mark
    return style ? { style, text: token, ...(this.#ofLine === 'cyan' && { isCode: true }) } : token
  }

  /** The style that begins or ends with `token`; two stars before a space begin none. */
  #markOf(token: string, next = ''): Style {
    if (token.startsWith('`')) return 'cyan'
    if (token !== '**' || this.#ofPart === 'cyan') return undefined
    return this.#ofPart === 'bold' || !/^\s/.test(next) ? 'bold' : undefined
  }
}
