import { describe, expect, test } from 'vitest'
import type { DeltaEvent } from '../../src/generation/events.ts'
import { type ReplyFormat, splitReply } from '../../src/generation/stages/reply.ts'

/** `<think>` ... `</think>`, then the answer: what may begin a tag is held back while more is to come. */
const parse: ReplyFormat['parseReply'] = (output, partial) => {
  if (output.includes('!')) throw new Error('not in the format')
  const open = '<think>'
  if (partial && open.startsWith(output)) return { reasoning: '', content: '' }
  if (!output.startsWith(open)) return { reasoning: '', content: output }
  const [thought = '', answer] = output.slice(open.length).split('</think>')
  const held = partial && answer === undefined ? /<[/think]*$/.exec(thought)?.[0].length : 0
  return { reasoning: thought.slice(0, thought.length - (held ?? 0)), content: answer ?? '' }
}

const format: ReplyFormat = { parseReply: parse, preservedTexts: ['<think>', '</think>'], begun: '' }

async function spoken(
  pieces: readonly string[],
  how: ReplyFormat | undefined = format,
  finishReason: 'stop' | 'length' = 'stop',
) {
  function* events() {
    for (const [token, text] of pieces.entries())
      yield { type: 'text', token, text, bytes: Buffer.byteLength(text), logprob: undefined } as const
    yield { type: 'end', finishReason, stopSequence: undefined } as const
  }
  const all: DeltaEvent[] = []
  let ended = 0
  for (const event of [...events()].flatMap(splitReply(how)))
    if (event.type === 'delta') all.push(event)
    else ended++
  expect(ended).toBe(1)
  const joined = (key: 'text' | 'reasoning' | 'raw') => all.map((one) => one[key]).join('')
  return { all, answer: joined('text'), reasoning: joined('reasoning'), raw: joined('raw') }
}

describe('splitReply()', () => {
  const output = '<think>Let me see < 5</think>It is <5>.'

  test('separates reasoning and answer, however the text is cut into tokens', async () => {
    for (const size of [1, 2, 3, 7, 50]) {
      const pieces = output.match(new RegExp(`.{1,${size}}`, 'g'))!
      const { all, answer, reasoning, raw } = await spoken(pieces)
      expect({ answer, reasoning, raw }).toEqual({
        answer: 'It is <5>.',
        reasoning: 'Let me see < 5',
        raw: output,
      })
      expect(all.filter(({ token }) => token !== undefined)).toHaveLength(pieces.length)
    }
  })

  test('releases at the end what was held back, unless the text was cut off there', async () => {
    expect(await spoken(['<think>a', ' <'])).toMatchObject({ answer: '', reasoning: 'a <' })
    expect(await spoken(['<thi'])).toMatchObject({ answer: '<thi', reasoning: '' })
    expect(await spoken(['<think>a', ' <'], format, 'length')).toMatchObject({ answer: '', reasoning: 'a' })
    for (const cut of ['<', '<thi', '<think>', '<think></', '<think></think>'])
      expect(await spoken([cut], format, 'length')).toMatchObject({ answer: '', reasoning: '' })
  })

  test('continues a begun answer', async () => {
    const begun = (text: string) => ({ ...format, begun: text })
    expect(await spoken([' b</think>', 'c'], begun('<think>a'))).toMatchObject({
      answer: 'c',
      reasoning: ' b',
    })
    expect(await spoken(['d'], begun('<think>a</think>c'))).toMatchObject({ answer: 'd', reasoning: '' })
  })

  test('returns the whole text as the answer if it does not follow the format', async () => {
    expect(await spoken(['!', ' so what'])).toMatchObject({ answer: '! so what', reasoning: '' })
  })

  test('takes what the parser makes of the text, even where it does not begin with a tag', async () => {
    const shouted: ReplyFormat = {
      parseReply: (output) => {
        const [reasoning = '', content = ''] = output.split('|')
        return { reasoning, content }
      },
      preservedTexts: ['<think>'],
      begun: '',
    }
    expect(await spoken(['a', '|', 'b'], shouted)).toMatchObject({ reasoning: 'a', answer: 'b', raw: 'a|b' })
    expect(await spoken(['|b'], shouted)).toMatchObject({ reasoning: '', answer: 'b' })
    expect(await spoken(['a|'], shouted)).toMatchObject({ reasoning: 'a', answer: '' })
  })

  test('parses nothing where nothing was written', async () => {
    let parsed = 0
    const counting = { ...format, parseReply: () => ({ reasoning: '', content: `${++parsed}` }) }
    expect((await spoken(['', ''], counting)).all.map(({ text }) => text)).toEqual(['', ''])
    expect(parsed).toBe(0)
  })

  test('never takes back a released text', async () => {
    expect(await spoken(['<think>a</think>b', 'c', '!'])).toMatchObject({ answer: 'bc', reasoning: 'a' })
  })

  test('returns everything as the answer, token by token, without a parser', async () => {
    const { all, answer } = await spoken(['a', '', '<think>'], null as never)
    expect(answer).toBe('a<think>')
    expect(all).toHaveLength(3)
  })

  test('returns nothing for an empty text', async () => {
    expect((await spoken([])).all).toEqual([])
  })
})
