/** Control characters except line feed and tab, Unicode's line ends, and marks that reorder text. */
const OBEYED = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/gu
const IN_A_LINE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/gu

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * Makes `text` safe to print: control characters that a terminal would obey, and marks that change the order
 * of letters, are written out, such as `\u001b`. Texts of models, files and servers may contain sequences
 * that move the cursor, set the title or fill the clipboard. Line feeds and tabs are kept.
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(OBEYED, escaped)
}

/**
 * Like `printable()`, for texts that must stay on one line, such as names and titles: line feeds and tabs are
 * written out too.
 */
export function printableLine(text: string): string {
  return text.replaceAll(IN_A_LINE, escaped)
}
