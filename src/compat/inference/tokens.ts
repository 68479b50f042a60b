import type { GPT4All } from '../../index.ts'

/** A part of a prompt, and whether special tokens in it are read as such. */
export type Piece = readonly [text: string, special: boolean]

/** The tokens of a prompt; `begins`: with the model's start token, as nothing comes before it. */
export async function promptTokens(
  model: GPT4All,
  pieces: readonly Piece[],
  begins: boolean,
): Promise<number[]> {
  const tokens: number[] = []
  let isFirst = begins
  for (const [text, parseSpecial] of await joined(model, pieces)) {
    if (text === '' && !isFirst) continue
    const options = { addSpecial: isFirst, isContinuation: !isFirst, parseSpecial }
    for (const token of await model.tokenize(text, options)) tokens.push(token)
    isFirst = false
  }
  return tokens
}

/** The tokens of a text behind others. */
export async function continuation(model: GPT4All, text: string, special: boolean): Promise<number[]> {
  return text === '' ? [] : model.tokenize(text, { isContinuation: true, parseSpecial: special })
}

/** One text where no piece spells a special token that it must not have: words may then join across pieces. */
async function joined(model: GPT4All, pieces: readonly Piece[]): Promise<readonly Piece[]> {
  for (const [text, special] of pieces)
    if (!special && (await spellsSpecial(model, text))) return pieces.filter(([piece]) => piece !== '')
  return [[pieces.map(([text]) => text).join(''), true]]
}

async function spellsSpecial(model: GPT4All, text: string): Promise<boolean> {
  const plain = await model.tokenize(text, { isContinuation: true })
  const read = await model.tokenize(text, { isContinuation: true, parseSpecial: true })
  return plain.length !== read.length || plain.some((token, i) => token !== read[i])
}
