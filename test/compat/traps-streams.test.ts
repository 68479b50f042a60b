import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  type CompletionOptions,
  type CompletionProvider,
  createCompletion,
  createCompletionGenerator,
  createCompletionStream,
  createEmbedding,
  type EmbeddingModel,
  type InferenceModel,
  LLModel,
  loadModel,
} from '../../src/compat/index.ts'
import { CHAT_MODEL, DIMENSIONS, EMBEDDING_MODEL, type Gallery, makeGallery } from '../support/gallery.ts'
import { tinyModel } from '../support/tiny-models.ts'

// As traps.test.ts, of streams and of embeddings.

const GREEDY = { temp: 0, repeatPenalty: 1 } as const
const COUNT = 'Count from 1 to 100.'
const ENDLESS_MODEL = 'endless.gguf'
/** Its text goes on to the end of the context. */
const LONG = { promptTemplate: '%1', temp: 0, repeatPenalty: 1, nPredict: 1500 } as const

let gallery: Gallery
let model: InferenceModel
let endless: InferenceModel
let other: InferenceModel
let embedder: EmbeddingModel

beforeAll(async () => {
  gallery = await makeGallery()
  writeFileSync(join(gallery.models, ENDLESS_MODEL), tinyModel('llama'))
  const options = { modelPath: gallery.models, modelConfigFile: gallery.catalog }
  model = await loadModel(CHAT_MODEL, options)
  endless = await loadModel(ENDLESS_MODEL, { ...options, nCtx: 2048 })
  other = await loadModel(ENDLESS_MODEL, { ...options, nCtx: 2048 })
  embedder = await loadModel(EMBEDDING_MODEL, { ...options, type: 'embedding' })
  for (const one of [model, endless, other]) one.llm.setThreadCount(1)
})
afterAll(async () => {
  for (const one of [model, endless, other, embedder]) one.dispose()
  await gallery.close()
})

/** A provider of the program's own that fails behind its first words. */
const failing: CompletionProvider = {
  modelName: 'failing',
  async generate(_input, options) {
    options?.onResponseToken?.(1, 'first words')
    throw new Error('of the provider')
  },
}
const contentOf = async (result: Promise<{ choices: { message: { content: string } }[] }>) =>
  (await result).choices[0]!.message.content

describe('createCompletionStream()', () => {
  test('goes on when its reader leaves a pipe, and holds up no other call meanwhile', async () => {
    const { tokens, result } = createCompletionStream(endless, 'a', LONG)
    const reader = new PassThrough({ highWaterMark: 16 })
    tokens.pipe(reader)
    await once(reader, 'readable')
    tokens.unpipe(reader)
    expect(await contentOf(createCompletion(endless, 'b', { ...LONG, nPredict: 5 }))).not.toBe('')
    expect((await result).usage.completion_tokens).toBeGreaterThan(1000)
  })

  test('of a reader that stops holds up no other call of the model', async () => {
    const generator = createCompletionGenerator(endless, 'a', LONG)
    await generator.next()
    expect(await contentOf(createCompletion(endless, 'b', { ...LONG, nPredict: 5 }))).not.toBe('')
    await generator.return(undefined as never)
  })

  test('that is destroyed takes the failure of its generation with it', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const { tokens } = createCompletionStream(failing, '')
    ;(tokens as Readable).destroy()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('gives strings, ends once, and its text is that of the result', async () => {
    const { tokens, result } = createCompletionStream(model, COUNT, GREEDY)
    let ends = 0
    const pieces: unknown[] = []
    tokens.on('end', () => ends++)
    tokens.on('data', (piece) => pieces.push(piece))
    await finished(tokens)
    expect(pieces.join('')).toBe(await contentOf(result))
    expect(pieces.every((piece) => typeof piece === 'string')).toBe(true)
    expect(pieces.length).toBeGreaterThan(1)
    await new Promise(setImmediate)
    expect(ends).toBe(1)
  })

  test('fails when the generation fails, for whoever reads and for whoever waits', async () => {
    const { tokens, result } = createCompletionStream(failing, '')
    const told = expect(result).rejects.toThrow('of the provider')
    let text = ''
    const reading = async () => {
      for await (const piece of tokens) text += piece
    }
    await expect(reading()).rejects.toThrow('of the provider')
    expect(text).toBe('first words')
    await told
  })

  test('fails for a reader alone, without an error that nobody handles', async ({ signal }) => {
    const code = `
      import { createCompletionGenerator, createCompletionStream } from 'gpt4all-ts/compat'
      const provider = { modelName: 'failing', async generate() { throw new Error('of the provider') } }
      for (const source of [
        createCompletionStream(provider, '').tokens,
        createCompletionGenerator(provider, ''),
      ]) {
        try {
          for await (const piece of source) console.log(piece)
          console.log('it ended')
        } catch (error) {
          console.log(error.message)
        }
      }`
    const { stdout } = await gallery.run(code, { signal })
    expect(stdout).toBe('of the provider\nof the provider\n')
  })

  test('never holds back the result where nobody reads', async () => {
    const { result } = createCompletionStream(endless, 'abc', LONG)
    expect((await result).usage.completion_tokens).toBe(LONG.nPredict)
  })

  test('waits for a reader that stops, and goes on with it', async () => {
    let tokens = 0
    const options: CompletionOptions = { ...LONG, onResponseToken: () => void tokens++ }
    const stream = createCompletionStream(endless, 'abc', options)
    const iterator = stream.tokens[Symbol.asyncIterator]()
    const first = await iterator.next()
    // Meanwhile another model makes a text that is as long.
    await createCompletion(other, 'abc', LONG)
    expect(tokens).toBeLessThan(LONG.nPredict / 2)
    let text = String(first.value)
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) text += next.value
    expect(text).toBe(await contentOf(stream.result))
    expect(tokens).toBe(LONG.nPredict)
  })

  test('calls the program too, whose answer counts', async () => {
    const seen: string[] = []
    const onResponseToken = (_id: number, token: string) => seen.push(token) < 3
    const { tokens, result } = createCompletionStream(model, COUNT, { ...GREEDY, onResponseToken })
    let text = ''
    for await (const piece of tokens) text += piece
    expect(seen).toHaveLength(3)
    expect(text).toBe(await contentOf(result))
  })
})

describe('createCompletionGenerator()', () => {
  test('yields the text and returns the completion', async () => {
    const generator = createCompletionGenerator(model, COUNT, GREEDY)
    let text = ''
    let step = await generator.next()
    for (; !step.done; step = await generator.next()) text += step.value
    expect(step.value).toMatchObject({ model: CHAT_MODEL, choices: [{ message: { content: text } }] })
  })

  test('stops the model when its loop is left', async () => {
    let tokens = 0
    const options = { ...LONG, onResponseToken: () => void tokens++ }
    for await (const piece of createCompletionGenerator(endless, 'abc', options)) {
      expect(piece).not.toBe('')
      break
    }
    await createCompletion(endless, 'abc', { ...LONG, nPredict: 3 }) // it waits for the one before
    expect(tokens).toBeLessThan(LONG.nPredict / 2)
    const after = tokens
    await createCompletion(endless, 'abc', { ...LONG, nPredict: 100 })
    expect(tokens).toBe(after)
  })
})

describe('createEmbedding()', () => {
  test('returns when it is done, and may be awaited', async () => {
    const result = createEmbedding(embedder, ['the cat', 'the dog'], { prefix: 'search_document' })
    expect(Object.keys(result)).toEqual(['n_prompt_tokens', 'embeddings'])
    expect(result.embeddings.map((one) => one.length)).toEqual([DIMENSIONS, DIMENSIONS])
    expect(result.n_prompt_tokens).toBeGreaterThan(0)
    const awaited = await result
    expect(awaited).toEqual({ n_prompt_tokens: result.n_prompt_tokens, embeddings: result.embeddings })
    expect(await awaited).toBe(awaited)
    const then = (result as unknown as PromiseLike<unknown>).then((one) => [one])
    expect(await then).toEqual([awaited])
    const { embeddings } = createEmbedding(embedder, 'the cat', { prefix: 'search_document' })
    expect(embeddings).toBeInstanceOf(Float32Array)
    expect(embeddings).toEqual(result.embeddings[0])
  })

  test('refuses bad options at once, and embeds an empty text', () => {
    const made = (options: object) => () => createEmbedding(embedder, 'the cat', options)
    expect(made({ dimensionality: 0 })).toThrow(
      'Dimensionality must be undefined or a positive integer, got 0',
    )
    expect(made({ longTextMode: 'cut' })).toThrow(
      "Long text mode must be one of 'mean' or 'truncate', got cut",
    )
    expect(made({ prefix: 'poem' })).toThrow('"poem" is not a valid task type')
    expect(() => createEmbedding(embedder, [])).toThrow("'texts' is NULL or empty")
    expect(createEmbedding(embedder, '').embeddings).toHaveLength(DIMENSIONS)
    expect(createEmbedding(embedder, 'the cat', { dimensionality: 16 }).embeddings).toHaveLength(16)
  })

  test('is synchronous on the model and on what is below it', () => {
    const ofModel = embedder.embed(['the cat'], 'search_query', -1, true, false)
    expect(ofModel.embeddings[0]).toHaveLength(DIMENSIONS)
    embedder.llm.setThreadCount(1)
    expect(embedder.llm.threadCount()).toBe(1)
    expect(embedder.MIN_DIMENSIONALITY).toBe(64)
  })
})

describe('LLModel', () => {
  test('can be made by hand, or fails so that it can be caught', async () => {
    expect(() => new LLModel({ model_name: 'missing', model_path: gallery.models })).toThrow()
    expect(() => new LLModel({} as never)).toThrow()
    class Extended extends LLModel {}
    const options = { model_name: CHAT_MODEL, model_path: gallery.models, device: 'cpu', nCtx: 512, ngl: 0 }
    const llm = new Extended(options)
    const { text } = await llm.infer('The capital of France is', {
      promptTemplate: '%1',
      nPredict: 3,
      temp: 0,
    })
    expect(text).toContain('Paris')
    expect(llm.isModelLoaded()).toBe(true)
    await expect(llm.infer(1 as never, {})).rejects.toThrow('invalid string argument')
    await expect(llm.infer('text', undefined as never)).rejects.toThrow('Missing Prompt Options')
    llm.dispose()
    llm.dispose()
    expect(llm.isModelLoaded()).toBe(false)
  })
})
