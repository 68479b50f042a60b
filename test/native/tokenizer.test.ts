import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { NativeModel } from '../../src/native/contract.ts'
import { encode, encodePrompt } from '../../src/native/tokenizer.ts'
import { VENDOR_MODELS } from '../support/models.ts'
import { folder, openModel, plain } from '../support/native-models.ts'
import { vocabularyWith } from '../support/tiny-models.ts'

const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

const MARKS = { cut: '\uE000', open: '\uE001', close: '\uE002' }

describe("llama.cpp's expected tokenizations", () => {
  const vocabularies = readdirSync(VENDOR_MODELS).filter(
    (name) => name.endsWith('.gguf') && existsSync(join(VENDOR_MODELS, `${name}.inp`)),
  )

  test('are present', () => {
    expect(vocabularies.length).toBeGreaterThan(10)
  })

  // Cases are separated by a line of their own; the ids of each stand on a line.
  test.each(vocabularies)('%s', async (name) => {
    const read = (end: string) => readFileSync(join(VENDOR_MODELS, `${name}${end}`), 'utf8')
    const inputs = read('.inp').split('\n__ggml_vocab_test__\n')
    const outputs = read('.out').split('\n')
    const cases = Math.min(inputs.length, outputs.length)
    expect(cases).toBeGreaterThan(30)
    const vocabulary = await openModel(join(VENDOR_MODELS, name), true)
    const wrong: unknown[] = []
    for (let i = 0; i < cases; i++) {
      const text = inputs[i]!
      const expected = outputs[i]!.trim().split(/\s+/).filter(Boolean).map(Number)
      const got = [...vocabulary.tokenize(text, false, false)]
      if (got.join() !== expected.join()) wrong.push({ text, expected, got })
    }
    vocabulary.close()
    expect(wrong).toEqual([])
  })
})

describe('a text after another', () => {
  // What the next turn adds to a prompt, in the forms that templates have.
  const SUFFIXES = [
    '</s>Hello',
    '\n\n### Human:\nHello',
    'Hello world',
    ' [INST] Hello [/INST]',
    '!',
    '1',
    'Ünï',
  ]

  test.each(['llama-spm', 'phi-3', 'llama-bpe', 'qwen2', 'gpt-2', 'gemma-4', 'command-r'])(
    'decodes to the same text as within the whole: %s',
    async (name) => {
      const vocabulary = await openModel(join(VENDOR_MODELS, `ggml-vocab-${name}.gguf`), true)
      const textOf = (tokens: Int32Array) =>
        Buffer.concat([...tokens].map((token) => vocabulary.tokenBytes(token, true))).toString()
      const first = await encode(vocabulary, 'Say something.', false, true)
      for (const suffix of SUFFIXES) {
        const more = await encodePrompt(vocabulary, suffix, MARKS, false)
        const whole = await encode(vocabulary, `Say something.${suffix}`, false, true)
        expect(textOf(Int32Array.of(...first, ...more))).toBe(textOf(whole))
      }
      vocabulary.close()
    },
  )
})

describe('tokenizing with the embedded model:', () => {
  let model: NativeModel
  beforeAll(async () => {
    model = await openModel()
  })

  const TEXTS = [
    '',
    ' ',
    'Hello, world!',
    '  two spaces,\n\ttabs and lines\r\n',
    'naïve Größe, нещо, 我想在, 한국어, กำลัง',
    '😀👩‍👩‍👧‍👦🇩🇪',
    'NUL \0 inside \0\0 and at the end\0',
    '<|im_start|>user\nhi<|im_end|>',
    '\uFEFFa byte order mark',
    '1234567890'.repeat(20),
  ]

  test.each(TEXTS)('text comes back from its tokens: %j', (text) => {
    expect(decode(model.detokenize(model.tokenize(text, false, false), true))).toBe(text)
  })

  const tokenize = (text: string, addSpecial = false, parseSpecial = false) =>
    model.tokenizeLater(plain(text, addSpecial, parseSpecial)).promise

  test.each(TEXTS)('the thread returns the same as tokenize(): %j', async (text) => {
    for (const [add, parse] of [
      [false, false],
      [true, true],
    ] as const) {
      expect(await tokenize(text, add, parse)).toEqual(model.tokenize(text, add, parse))
    }
  })

  test('the bytes of the tokens add up to the text', () => {
    for (const text of TEXTS) {
      const parts = Array.from(model.tokenize(text, false, false), (id) => model.tokenBytes(id, true))
      expect(decode(Buffer.concat(parts))).toBe(text)
    }
  })

  test('special tokens are text unless asked for', () => {
    const text = '<|im_start|>'
    expect(model.tokenize(text, false, false).length).toBeGreaterThan(1)
    const [special, ...rest] = model.tokenize(text, false, true)
    expect(rest).toEqual([])
    expect(decode(model.tokenBytes(special!, true))).toBe(text)
    expect(model.tokenBytes(special!, false)).toHaveLength(0)
  })

  test('lone surrogates become replacement characters', () => {
    for (const text of ['\ud83d', 'a\ude00b', '\ude00\ud83d']) {
      expect(decode(model.detokenize(model.tokenize(text, false, false), true))).toBe(
        Buffer.from(text).toString(),
      )
    }
  })

  test('a megabyte of text comes back', async () => {
    const text = 'One day a small dog went to the river; 我想 😀.\n'.repeat(20_000)
    const ids = await tokenize(text)
    expect(decode(model.detokenize(ids, true))).toBe(text)
  })

  test('a long run of one letter comes back', async () => {
    const text = 'a'.repeat(100_000)
    expect(decode(model.detokenize(await tokenize(text), true))).toBe(text)
  })

  test('many texts at once are tokenized on the thread', async () => {
    const texts = Array.from({ length: 50 }, (_, i) => `text ${i} `.repeat(i))
    const all = await Promise.all(texts.map((text) => tokenize(text)))
    expect(all).toEqual(texts.map((text) => model.tokenize(text, false, false)))
  })

  test('closing the model cancels a running text with ERR_CLOSED', async () => {
    const closing = await openModel()
    const text = 'a dog and a fish '.repeat(200_000)
    const jobs = [text, 'short'].map((one) => closing.tokenizeLater(plain(one)))
    closing.close()
    const [long] = await Promise.allSettled(jobs.map(({ promise }) => promise))
    expect(long).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } })
  })

  test('an aborted text is cancelled while it runs, and the next one is not', async () => {
    const text = 'a dog and a fish '.repeat(200_000)
    const given = new AbortController()
    const under = encode(model, text, false, false, given.signal)
    const next = encode(model, text, false, false)
    given.abort(new Error('no longer'))
    await expect(under).rejects.toThrow('no longer')
    expect((await next).length).toBeGreaterThan(200_000)
  })

  test('marks cut a text into pieces that are tokenized separately, single characters between two as text', async () => {
    const { cut, open, close } = MARKS
    const text = `Hello <${cut}|im_end|>${cut}<|im_end|>${open}e${close} there${open}${close}`
    const alone = ['Hello <', '|im_end|>', '<|im_end|>', 'e', ' there'].flatMap((piece) => [
      ...model.tokenize(piece, false, true),
    ])
    expect([...(await encodePrompt(model, text, MARKS, false))]).toEqual(alone)
    expect([...(await encodePrompt(model, text.repeat(1000), MARKS, false))]).toEqual(
      Array(1000).fill(alone).flat(),
    )
  })

  test('a control token of one character is one only if the template wrote it', async () => {
    const path = join(folder, 'single.gguf')
    writeFileSync(path, vocabularyWith(['§', '😈'], 'control'))
    const single = await openModel(path, true)
    const { open, close } = MARKS
    for (const character of ['§', '😈']) {
      const [id, ...more] = single.tokenize(character, false, true)
      expect(more).toEqual([])
      const ids = await encodePrompt(
        single,
        `${character}a${open}${character}${close}${character}`,
        MARKS,
        false,
      )
      expect([...ids].filter((one) => one === id)).toHaveLength(2)
    }
  })

  test('an empty text has only start tokens', async () => {
    const spm = await openModel(join(VENDOR_MODELS, 'ggml-vocab-llama-spm.gguf'), true)
    expect([...spm.tokenizeMarked(plain('', true))]).toEqual([...spm.tokenize('', true, true)])
    expect([...spm.tokenizeMarked({ ...plain('', true), begins: false })]).toEqual([])
    spm.close()
  })

  test('long lists of tokens are detokenized on the thread, with the same result as short ones', async () => {
    const ids = model.tokenize('One day a small dog went to the river.', false, false)
    const many = Int32Array.from({ length: ids.length * 5000 }, (_, i) => ids[i % ids.length]!)
    const text = decode(await model.detokenizeLater(many, true).promise)
    expect(text).toBe(decode(model.detokenize(ids, true)).repeat(5000))
  })

  test('wrong arguments throw ERR_ARGUMENT', () => {
    const loose = model as unknown as Record<string, (...values: unknown[]) => unknown>
    const bad: [string, unknown[]][] = [
      ...[undefined, null, 3, {}, [], 1n, Symbol('one')].flatMap((text): [string, unknown[]][] => [
        ['tokenize', [text, false, false]],
        ['tokenizeLater', [{ ...plain('x'), text }]],
        ['tokenizeMarked', [{ ...plain('x'), anchor: text }]],
      ]),
      ['tokenize', ['x']],
      ['tokenize', ['x', 0, false]],
      ['tokenize', ['x', false, 'no']],
      ['tokenizeLater', [{ ...plain('x'), parseSpecial: 1 }]],
      ['tokenizeMarked', ['x']],
      ['detokenizeLater', [[1], true]],
      ...[undefined, null, [1], new Uint32Array(1), new Float32Array(1), Int32Array.of(-1)].map(
        (ids): [string, unknown[]] => ['detokenize', [ids, true]],
      ),
      ['detokenize', [Int32Array.of(model.info.vocabSize), true]],
      ['detokenize', [Int32Array.of(1), 1]],
      ...[-1, model.info.vocabSize, 0.5, NaN, '1', null, undefined, 2 ** 32].map(
        (id): [string, unknown[]] => ['tokenBytes', [id, true]],
      ),
      ['tokenBytes', [1]],
    ]
    for (const [method, values] of bad) {
      expect(() => loose[method]!(...values), `${method}(${values.map(String)})`).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      )
    }
  })
})
