import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { type TinyModel, tinyModel } from '../support/tiny-models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 60 } as const
const REPEATED = 'one two three '.repeat(40)
const PROMPTS = ['Once upon a time', 'The capital of France is', REPEATED]

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-draft-'))
const models: GPT4All[] = []
afterEach(async () => {
  for (const model of models.splice(0)) await model.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function open(options: ModelOptions = {}): Promise<GPT4All> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, draftModel: EMBEDDED, ...options })
  models.push(model)
  return model
}

function tiny(name: TinyModel): string {
  const path = join(folder, `${name}.gguf`)
  writeFileSync(path, tinyModel(name))
  return path
}

describe('draftModel', () => {
  test('gives the same tokens in fewer steps, which the timings report', async () => {
    for (const prompt of PROMPTS) {
      // Of its own: a model that guesses for itself does not pay, and so rests before long.
      const model = await open()
      const drafted = await model.generate(prompt, GREEDY).result
      const plain = await model.generate(prompt, { ...GREEDY, draft: false }).result
      expect(drafted.tokens).toEqual(plain.tokens)
      expect(drafted).toMatchObject({ text: plain.text, finishReason: plain.finishReason })
      expect(plain.timings).toMatchObject({ proposedTokens: 0, acceptedTokens: 0 })
      const { proposedTokens, acceptedTokens } = drafted.timings
      if (prompt !== REPEATED) continue // how sure it is of others, and so how many guesses it makes, is chance
      expect(proposedTokens).toBeGreaterThan(0)
      // The same model guesses what it would draw itself, but for logits that all but tie in another batch.
      expect(acceptedTokens).toBeGreaterThan(proposedTokens / 2)
    }
  })

  test('does not change what is sampled', async () => {
    const model = await open()
    const options = { temp: 0.9, topP: 1, seed: 7, maxTokens: 60 }
    const plain = await model.generate(PROMPTS[0]!, { ...options, draft: false })
    expect(await model.generate(PROMPTS[0]!, options)).toBe(plain)
  })

  test('works in several chats at once, and with promptLookup', async () => {
    const model = await open()
    const answers = await Promise.all(
      ['France', 'Italy', 'Spain'].map((country) =>
        model.chatSession().generate(`What is the capital of ${country}?`, GREEDY),
      ),
    )
    expect(answers).toEqual(['Paris', 'Rome', 'Madrid'].map((city) => expect.stringContaining(city)))
    const chat = model.chatSession()
    await chat.generate('My name is Ada.', { ...GREEDY, promptLookup: true })
    expect(await chat.generate('What is my name?', { ...GREEDY, promptLookup: true })).toContain('Ada')
  })

  test('does not change where generations end: context, maxTokens, abort, close()', async () => {
    const model = await open({ nCtx: 128 })
    for (const maxTokens of [1, 2, 5, Number.POSITIVE_INFINITY]) {
      const options = { ...GREEDY, maxTokens }
      const plain = await model.generate(PROMPTS[0]!, { ...options, draft: false }).result
      const drafted = await model.generate(PROMPTS[0]!, options).result
      expect(drafted).toMatchObject({ tokens: plain.tokens, finishReason: plain.finishReason })
    }
    for (let tokens = 0; tokens < 12; tokens++) {
      const controller = new AbortController()
      let seen = 0
      const aborted = model.generate(PROMPTS[0]!, {
        ...GREEDY,
        signal: controller.signal,
        callback: () => {
          if (seen++ === tokens) setImmediate(() => controller.abort('enough'))
        },
      })
      await aborted.catch((reason: unknown) => expect(reason).toBe('enough'))
      const after = await model.generate('The capital of France is', { ...GREEDY, maxTokens: 3 })
      expect(after).toContain('Paris')
    }
    const last = expect(model.generate(PROMPTS[2]!, GREEDY)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await new Promise(setImmediate)
    await model.close()
    await last
  })

  test('is not used with deterministic', async () => {
    const model = await open({ deterministic: true })
    const { timings } = await model.generate(PROMPTS[0]!, GREEDY).result
    expect(timings).toMatchObject({ proposedTokens: 0, acceptedTokens: 0 })
  })

  test('must exist', async () => {
    const missing = open({ draftModel: join(folder, 'none.gguf'), allowDownload: false })
    await expect(missing).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
  })

  test.each(['', 3, null])('%j is refused', (draftModel) => {
    expect(() => new GPT4All(EMBEDDED, { draftModel: draftModel as string })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    )
  })

  test('must have the vocabulary of the model', async () => {
    const path = tiny('llama')
    await expect(open({ draftModel: path })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringMatching(/draftModel.*vocabulary/),
      path,
    })
  })

  test('must be a model whose wrong guesses can be undone', async () => {
    await expect(open({ draftModel: tiny('mamba') })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining('recurrent'),
    })
  })
})
