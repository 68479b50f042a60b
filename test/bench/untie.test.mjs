import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { untie } from '../../bench/untie.mjs'
import { embeddedModel } from '../../scripts/paths.mjs'
import { readGguf } from '../../src/models/gguf/header.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-untie-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('an untied copy has its output matrix as a tensor of its own, and GPT-2 as its pre-tokenizer', async () => {
  const file = join(folder, 'untied.gguf')
  untie(embeddedModel, file)
  const [from, to] = [await readGguf(embeddedModel), await readGguf(file)]
  const [before, after] = [readFileSync(embeddedModel), readFileSync(file)]
  const dataOf = (bytes, { offset, bytes: length }) => bytes.subarray(offset, offset + length)

  expect(to.tensors.map(({ name }) => name)).toEqual([
    ...from.tensors.map(({ name }) => name),
    'output.weight',
  ])
  for (const [i, tensor] of from.tensors.entries())
    expect(dataOf(after, to.tensors[i]).equals(dataOf(before, tensor))).toBe(true)
  const shared = from.tensors.find(({ name }) => name === 'token_embd.weight')
  expect(dataOf(after, to.tensors.at(-1)).equals(dataOf(before, shared))).toBe(true)

  const { metadata } = to
  expect(metadata.get('tokenizer.ggml.pre').value).toBe('gpt-2')
  for (const [key, entry] of from.metadata)
    if (key !== 'tokenizer.ggml.pre') expect(metadata.get(key)).toEqual(entry)
})

test('a file that has its own output matrix is not untied again', () => {
  const file = join(folder, 'once.gguf')
  untie(embeddedModel, file)
  expect(() => untie(file, join(folder, 'twice.gguf'))).toThrow(/no output matrix to untie/)
})
