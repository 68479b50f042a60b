import { styleText } from 'node:util'
import { printable } from '../index.ts'

/** Text in a colour or another style. */
type StyledSpan = {
  readonly style: Parameters<typeof styleText>[0]
  readonly text: string
  /** Its lines are not to be broken at words. */
  readonly isCode?: boolean
}
/** Text from any source: escape sequences in it are made harmless when it is written. */
export type StyledText = string | StyledSpan

export const paint = (style: StyledSpan['style'], text: string): StyledSpan => ({ style, text })

/** Whether `stream` is a terminal that knows escape sequences. */
export function obeysEscapes(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb'
}

/** The text to write to `stream`, in colour if that is a terminal and `NO_COLOR` is not set. */
export function shown(pieces: readonly StyledText[], stream: NodeJS.WriteStream, clean = printable): string {
  const coloured = obeysEscapes(stream) && !process.env.NO_COLOR
  return pieces
    .map((piece) => {
      if (typeof piece === 'string') return clean(piece)
      const text = clean(piece.text)
      return coloured ? styleText(piece.style, text, { validateStream: false }) : text
    })
    .join('')
}
