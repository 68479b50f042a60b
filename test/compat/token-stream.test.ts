import { describe, expect, test } from 'vitest'
import { TokenStream } from '../../src/compat/token-stream.ts'

const LONG = 'x'.repeat(100)

async function textOf(stream: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of stream) text += piece
  return text
}

describe('the stream of a completion', () => {
  test('gives text as strings, and ends once', async () => {
    const stream = new TokenStream()
    let ends = 0
    stream.on('end', () => ends++)
    for (const piece of ['One', '', ' ', 'ünd 🚀']) stream.add(piece)
    stream.end()
    expect(await textOf(stream)).toBe('One ünd 🚀')
    expect(ends).toBe(1)
  })

  test('does not wait while nobody reads, and keeps the text for a reader that comes late', async () => {
    const stream = new TokenStream()
    for (let i = 0; i < 50; i++) {
      stream.add(LONG)
      expect(stream.wanted()).toBeUndefined()
    }
    stream.end()
    expect(await textOf(stream)).toHaveLength(5000)
  })

  test('waits for a reader that is slow', async () => {
    const stream = new TokenStream()
    stream.on('readable', () => {})
    stream.add(LONG)
    const wanted = stream.wanted()
    expect(wanted).toBeInstanceOf(Promise)
    expect(stream.read()).toBe(LONG)
    expect(await wanted).toBe(true)
    expect(stream.wanted()).toBeUndefined()
  })

  test('says that nothing is wanted any more when the reader leaves', async () => {
    const stream = new TokenStream()
    stream.on('readable', () => {})
    stream.add(LONG)
    const wanted = stream.wanted()
    stream.destroy()
    expect(await wanted).toBe(false)
    expect(await stream.wanted()).toBe(false)
    stream.add('ignored')
    stream.end()
  })

  test('fails behind the text, for readers that came before and after the failure', async () => {
    for (const isLate of [false, true]) {
      const stream = new TokenStream()
      const error = new Error('the model is closed')
      stream.add('some text')
      if (isLate) stream.fail(error)
      const pieces: string[] = []
      const reading = (async () => {
        for await (const piece of stream) pieces.push(String(piece))
      })()
      if (!isLate) {
        await expect.poll(() => pieces).toEqual(['some text'])
        stream.fail(error)
      }
      await expect(reading).rejects.toBe(error)
      expect(pieces).toEqual(['some text'])
    }
  })

  test('does not end the process where nobody listens to its failure', async () => {
    const stream = new TokenStream()
    stream.on('data', () => {})
    expect(stream.fail(new Error('lost'))).toBe(false)
    await new Promise((resolve) => stream.once('close', resolve))
    expect(stream.errored).toBeNull()
  })
})
