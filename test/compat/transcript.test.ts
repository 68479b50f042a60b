import { describe, expect, test } from 'vitest'
import { Transcript } from '../../src/compat/inference/transcript.ts'

/** A system prompt of 3 tokens and turns of 10 tokens each. */
function conversation(turns: number): Transcript {
  const transcript = new Transcript()
  transcript.append([1, 2, 3])
  for (let turn = 1; turn <= turns; turn++) {
    transcript.beginTurn()
    transcript.append(new Array<number>(10).fill(100 * turn))
  }
  return transcript
}

describe('the tokens of a conversation', () => {
  test('are given up by whole turns, the oldest first, and never the system prompt', () => {
    const transcript = conversation(4)
    transcript.erase(11)
    expect(transcript.with([7])).toEqual([1, 2, 3, ...new Array(10).fill(300), ...new Array(10).fill(400), 7])
  })

  test('are given up to the last turn where more is wanted than there is', () => {
    const transcript = conversation(2)
    transcript.erase(1000)
    expect(transcript.with([])).toEqual([1, 2, 3])
    transcript.erase(1)
    expect(transcript.length).toBe(3)
  })

  test('stay where nothing is to be given up', () => {
    const transcript = conversation(2)
    transcript.erase(0)
    expect(transcript.length).toBe(23)
  })

  test('end where they are cut, and turns behind that are forgotten', () => {
    const transcript = conversation(3)
    transcript.cutTo(18)
    transcript.beginTurn()
    transcript.append([9])
    transcript.erase(1)
    expect(transcript.with([])).toEqual([1, 2, 3, ...new Array(5).fill(200), 9])
    transcript.cutTo(0)
    expect(transcript.length).toBe(0)
  })
})
