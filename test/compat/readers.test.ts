import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type CompletionResult,
  createCompletion,
  createCompletionStream,
  type InferenceModel,
  loadModel,
} from '../../src/compat/index.ts'
import { CHAT_MODEL, type Gallery, makeGallery } from '../support/gallery.ts'
import { tinyModel } from '../support/tiny-models.ts'

// Every way in which a program may read the tokens of createCompletionStream().

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const ENDLESS_MODEL = 'endless.gguf'
/** Its text goes on to the end of the context. */
const LONG = { ...GREEDY, promptTemplate: '%1', nPredict: 1500 } as const

let gallery: Gallery
let model: InferenceModel
let endless: InferenceModel

beforeAll(async () => {
  gallery = await makeGallery()
  writeFileSync(join(gallery.models, ENDLESS_MODEL), tinyModel('llama'))
  model = await load(CHAT_MODEL)
  endless = await load(ENDLESS_MODEL)
})
afterAll(async () => {
  model.dispose()
  endless.dispose()
  await gallery.close()
})

async function load(name: string): Promise<InferenceModel> {
  const one = await loadModel(name, { modelPath: gallery.models, modelConfigFile: gallery.catalog })
  one.llm.setThreadCount(1)
  return one
}

const contentOf = async (result: Promise<CompletionResult>) => (await result).choices[0]!.message.content

type Reader = (tokens: Readable, result: Promise<CompletionResult>) => Promise<string>

async function iterated(tokens: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const piece of tokens) text += piece
  return text
}

const READERS: Record<string, Reader> = {
  'for await': iterated,
  async 'for await behind the result'(tokens, result) {
    await result
    return iterated(tokens)
  },
  async 'the event data'(tokens) {
    let text = ''
    tokens.on('data', (piece) => {
      text += piece
    })
    await once(tokens, 'end')
    return text
  },
  async 'the event data behind the result'(tokens, result) {
    await result
    await new Promise(setImmediate)
    return READERS['the event data']!(tokens, result)
  },
  async 'the event readable'(tokens) {
    let text = ''
    tokens.on('readable', () => {
      for (let piece = tokens.read(); piece !== null; piece = tokens.read()) text += piece
    })
    await once(tokens, 'end')
    return text
  },
  async 'a pipeline to a slow writer'(tokens) {
    let text = ''
    const slow = new Writable({
      decodeStrings: false,
      highWaterMark: 1,
      write(piece, _encoding, done) {
        text += piece
        setImmediate(done)
      },
    })
    await pipeline(tokens, slow)
    return text
  },
  'a web stream': (tokens) => iterated(Readable.toWeb(tokens) as AsyncIterable<unknown>),
}

describe('the tokens of a completion', () => {
  test.each(Object.entries(READERS))('are its text, read by %s', async (_, read) => {
    for (const prompt of [
      'Count from 1 to 100.',
      'Say it with emoji: I love cats',
      'Repeat: one ### Human two',
    ]) {
      const { tokens, result } = createCompletionStream(model, prompt, GREEDY)
      expect(await read(tokens as Readable, result)).toBe(await contentOf(result))
    }
  })

  test('stop with a reader that pauses, and go on when it resumes', async () => {
    let count = 0
    const options = { ...LONG, onResponseToken: () => void count++ }
    const { tokens, result } = createCompletionStream(endless, 'abc', options)
    let text = ''
    tokens.on('data', (piece) => {
      text += piece
    })
    await once(tokens, 'data')
    tokens.pause()
    const other = await load(ENDLESS_MODEL)
    await createCompletion(other, 'abc', LONG)
    other.dispose()
    expect(count).toBeLessThan(LONG.nPredict / 2)
    tokens.resume()
    await once(tokens, 'end')
    expect(text).toBe(await contentOf(result))
    expect(count).toBe(LONG.nPredict)
  })

  test('end the run when they are destroyed, and the result is what there was', async () => {
    let count = 0
    const options = { ...LONG, onResponseToken: () => void count++ }
    const { tokens, result } = createCompletionStream(endless, 'abc', options)
    await once(tokens, 'data')
    ;(tokens as Readable).destroy()
    expect((await result).usage.completion_tokens).toBe(count)
    expect(count).toBeLessThan(LONG.nPredict / 2)
  })

  test.for(['for await', 'the event data'])(
    'fail when the model is disposed of meanwhile, read by %s',
    async (way) => {
      const other = await load(ENDLESS_MODEL)
      const onResponseToken = () => {
        setImmediate(() => other.dispose())
      }
      const { tokens, result } = createCompletionStream(other, 'abc', { ...LONG, onResponseToken })
      const told = expect(result).rejects.toThrow()
      await expect(READERS[way]!(tokens as Readable, result)).rejects.toThrow()
      await told
    },
  )
})
