import { expect, test } from 'vitest'
import { nearest } from '../../src/core/suggest.ts'

const OPTIONS = ['maxTokens', 'temp', 'topK', 'topP', 'nCtx', 'streamInterval', 'streaming']
const MODELS = ['Llama-3.2-1B-Instruct-Q4_0', 'Llama-3.2-3B-Instruct-Q4_0', 'orca-mini-3b-gguf2-q4_0']
const COMMANDS = ['list', 'download', 'verify', 'info', 'convert', 'remove']

test.each([
  ['max_tokens', OPTIONS, 'maxTokens'],
  ['NCTX', OPTIONS, 'nCtx'],
  ['maxTokns', OPTIONS, 'maxTokens'],
  ['stream', OPTIONS, 'streaming'],
  ['llama 3.2 3b instruct', MODELS, 'Llama-3.2-3B-Instruct-Q4_0'],
  ['Lama-3.2-1B-Instrct-Q4_0', MODELS, 'Llama-3.2-1B-Instruct-Q4_0'],
  ['downlod', COMMANDS, 'download'],
  ['verif', COMMANDS, 'verify'],
])('the nearest name to %j in %j is %j', (name, known, meant) => {
  expect(nearest(name, known)).toBe(meant)
})

test.each([
  ['bogus', OPTIONS],
  ['k', OPTIONS],
  ['', OPTIONS],
  ['---', MODELS],
  ['mistral', MODELS],
  ['purge', COMMANDS],
  ['anything', []],
  ['anything', ['', '-']],
])('no name is near to %j in %j', (name, known) => {
  expect(nearest(name, known)).toBeUndefined()
})

test('a very long list of names is not searched to its end', () => {
  const long = Array.from({ length: 3000 }, (_, i) => `model-${'x'.repeat(20)}-${i}`)
  expect(nearest(long[2999]!, long)).not.toBe(long[2999])
})
