import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { NativeModel } from '../../src/native/contract.ts'
import { controlFinder, Protection, structuralTexts } from '../../src/native/protect.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { folder, openModel } from '../support/native-models.ts'
import { withPretokenizer } from '../support/pretokenizers.ts'
import { vocabularyWith } from '../support/tiny-models.ts'

const open = (name: string, bytes: Buffer): Promise<NativeModel> => {
  const path = join(folder, `${name}.gguf`)
  writeFileSync(path, bytes)
  return openModel(path, true)
}

/** A file of nothing but a vocabulary. */
function vocabulary(kind: string, tokens: readonly string[], types: readonly number[]): GgufWriter {
  return new GgufWriter()
    .set('general.architecture', 'string', 'llama')
    .set('llama.context_length', 'u32', 64)
    .set('llama.embedding_length', 'u32', 32)
    .set('llama.block_count', 'u32', 1)
    .set('llama.feed_forward_length', 'u32', 32)
    .set('llama.attention.head_count', 'u32', 2)
    .set('llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5)
    .set('tokenizer.ggml.model', 'string', kind)
    .setArray('tokenizer.ggml.tokens', 'string', tokens)
    .setArray('tokenizer.ggml.token_type', 'i32', types)
}

const NORMAL = 1
const CONTROL = 3

test('a byte that only begins tokens of RWKV is an error, and does not hang', async () => {
  const model = await open('rwkv', vocabulary('rwkv', ['x', 'ab'], [NORMAL, NORMAL]).bytes())
  expect([...model.tokenize('xabx', false, false)]).toEqual([0, 1, 0])
  for (const text of ['a', 'xa', 'aab', 'abaxx'])
    expect(() => model.tokenize(text, false, false), text).toThrow(
      expect.objectContaining({ code: 'ERR_DECODE' }),
    )
})

test('a vocabulary that splits at white space tokenizes two spaces', async () => {
  const model = await open('whitespace', withPretokenizer('whitespace'))
  expect([...model.tokenize('a  b', false, false)].length).toBeGreaterThan(0)
  expect(() => model.tokenize('  \n  ', false, false)).not.toThrow()
})

test('more text than llama.cpp can count is refused before it is written out', async () => {
  const model = await open('long', vocabularyWith(['y'.repeat(1000)], 'user-defined'))
  const [id] = model.tokenize('y'.repeat(1000), false, true)
  const many = new Int32Array(2_200_000).fill(id!)
  expect(() => model.detokenize(many, true)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }))
  await expect(model.detokenizeLater(many, true).promise).rejects.toMatchObject({ code: 'ERR_ARGUMENT' })
})

test('the first 4,096 of thousands of metadata keys are returned', async () => {
  const file = vocabulary('rwkv', ['x'], [NORMAL])
  for (let i = 0; i < 16_000; i++) file.set(`key.${i}`, 'u32', i)
  const model = await open('keys', file.bytes())
  expect(Object.keys(model.info.metadata)).toHaveLength(4096)
})

test('200,000 control tokens cannot be written by users', async () => {
  const tokens = Array.from({ length: 200_000 }, (_, i) => `<|${i}|>`)
  const model = await open(
    'control',
    vocabulary('rwkv', ['x', ...tokens], [NORMAL, ...tokens.map(() => CONTROL)]).bytes(),
  )
  const texts = structuralTexts(model.info, '{{ messages }}')
  expect(texts).toHaveLength(200_000)
  const text = `a ${tokens[7]} b ${tokens[199_999]}`
  const finder = controlFinder(texts, 'escapes')!
  const protection = new Protection(finder, finder.unusedMarks(text))
  const { cut } = protection.marks
  expect(protection.protect(text)).toBe(`a <${cut}|7|> b <${cut}|199999|>`)
})
