/** Control characters but line feed and tab, line ends of Unicode's own, and marks that change the order in which text is shown. */
const OBEYED = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/gu
const IN_A_LINE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/gu

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * `text` as a terminal may be given it: what it would obey instead of showing it is written as `\u001b` is here. Texts of models, files
 * and servers may hold sequences that move the cursor, set the title or fill the clipboard. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(OBEYED, escaped)
}

/** The same of what must stay within its line: names, titles. */
export function printableLine(text: string): string {
  return text.replaceAll(IN_A_LINE, escaped)
}
