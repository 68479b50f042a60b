import { expect, test } from 'vitest'
import type { DeltaEvent } from '../../src/generation/events.ts'
import { Transcript } from '../../src/generation/transcript.ts'

const delta = (raw: string, bytes: number, token: number | undefined): DeltaEvent => ({
  type: 'delta',
  token,
  text: raw,
  reasoning: '',
  raw,
  bytes,
  logprob: undefined,
  at: 0,
})

test('spells what all tokens spell', () => {
  const transcript = new Transcript()
  transcript.add(delta('one', 3, 1))
  transcript.add(delta(' two', 4, 2))
  expect(transcript.of(2)).toEqual({ raw: 'one two', isWhole: true })
})

test('leaves out the last token where the reader has left before it came', () => {
  const transcript = new Transcript()
  transcript.add(delta('one', 3, 1))
  transcript.add(delta(' two', 4, 2))
  expect(transcript.of(1)).toEqual({ raw: 'one', isWhole: true })
})

test('keeps text without a token of its own, which was held back until the end', () => {
  const transcript = new Transcript()
  transcript.add(delta('one', 6, 1))
  transcript.add(delta('END', 0, undefined))
  expect(transcript.of(1)).toEqual({ raw: 'oneEND', isWhole: true })
})

test('is not whole where the text was cut within a token', () => {
  const transcript = new Transcript()
  transcript.add(delta('one', 8, 1))
  expect(transcript.of(1)).toEqual({ raw: 'one', isWhole: false })
})

test('is empty before the first token', () => {
  expect(new Transcript().of(0)).toEqual({ raw: '', isWhole: true })
})
