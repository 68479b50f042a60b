import { describe, expect, test } from 'vitest'
import { type PromptSegment, TokenRecord } from '../../src/chat/record.ts'

/** As if each character were a token, and those the model drew were written in capitals. */
const ids = (text: string) => Array.from(text, (character) => character.charCodeAt(0))

/** The new prompt, known tokens in brackets. */
const show = (parts: readonly PromptSegment[]) =>
  parts
    .map((part) =>
      'text' in part ? part.text : part.tokens.length ? `[${String.fromCharCode(...part.tokens)}]` : '',
    )
    .join('')

const turn = (i: number) => `<user>question number ${i} of many<model>`
const answer = (i: number) => `the answer to question number ${i}`

/** Two turns: prompt, answer drawn in capitals, prompt, answer. */
function twoTurns(): TokenRecord {
  const system = '<system>be kind'
  const first = new TokenRecord(system + turn(1), ids(system + turn(1)), [])
  return first
    .with(answer(1), ids(answer(1).toUpperCase()))
    .with(turn(2), ids(turn(2)))
    .with(answer(2), ids(answer(2).toUpperCase()))
}

describe('TokenRecord', () => {
  test('returns the sampled tokens for a prompt that continues', () => {
    const record = twoTurns()
    expect(show(record.parts(`${record.rendered}<user>more`))).toBe(
      `[<system>be kind${turn(1)}${answer(1).toUpperCase()}${turn(2)}${answer(2).toUpperCase()}]<user>more`,
    )
  })

  test('falls back to the last cut before a change of the past', () => {
    const changed = `<system>be kind${turn(1)}${answer(1)}<user>another question<model>`
    expect(show(twoTurns().parts(changed))).toBe(
      `[<system>be kind${turn(1)}${answer(1).toUpperCase()}]<user>another question<model>`,
    )
    // The template rewrote the first answer.
    const rewritten = `<system>be kind${turn(1)}the short answer${turn(2)}`
    expect(show(twoTurns().parts(rewritten))).toBe(`[<system>be kind${turn(1)}]the short answer${turn(2)}`)
  })

  test('finds the tokens after a gap by the cut after the dropped turn', () => {
    const shortened = `<system>be kind${turn(2)}${answer(2)}<user>more`
    expect(show(twoTurns().parts(shortened))).toBe(
      `<system>be kind${`[${turn(2)}${answer(2).toUpperCase()}]`}<user>more`,
    )
  })

  test('keeps the cuts of what it returned', () => {
    const record = twoTurns()
    const [known] = record.parts(`${record.rendered}<user>more`)
    expect('cuts' in known! && known.cuts.map(({ chars }) => chars)).toEqual([
      `<system>be kind${turn(1)}`.length,
      `<system>be kind${turn(1)}${answer(1)}`.length,
      `<system>be kind${turn(1)}${answer(1)}${turn(2)}`.length,
    ])
  })

  test('returns nothing if it is empty, or of another conversation', () => {
    expect(show(new TokenRecord('', [], []).parts('all new'))).toBe('all new')
    expect(show(twoTurns().parts('all new'))).toBe('all new')
    expect(show(twoTurns().parts(''))).toBe('')
  })
})
