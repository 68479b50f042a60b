// Loads, generates and fails in many ways: nothing of it may reach stdout.
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..')
const { GPT4All } = await import(join(root, 'dist', 'index.js'))
const embedded = join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')
const tries = [
  () => GPT4All.load('no such model'),
  () => GPT4All.load(root),
  () => GPT4All.load(join(root, 'package.json')),
  () => GPT4All.load(join(root, 'vendor', 'llama.cpp', 'models', 'ggml-vocab-gpt-2.gguf')),
  () => GPT4All.load(embedded, { nCtx: -1 }),
  async () => {
    const model = await GPT4All.load(embedded, { nThreads: 1, nCtx: 256, device: 'gpu' })
    await model.renderPrompt([{ role: 'user', content: 'hi' }])
    await model.generate('Once upon a time', { maxTokens: 5 })
    for await (const _ of model.generate('Once', { maxTokens: 2 }));
    await model.generate('word '.repeat(3000)).catch(() => {})
    await model.generate('Once', { signal: AbortSignal.abort() }).catch(() => {})
    await model.close()
    await model.generate('Once').catch(() => {})
    throw new Error('as the others do')
  },
]
let failed = 0
for (const one of tries) {
  try {
    await one()
  } catch {
    failed++
  }
}
process.send(failed)
