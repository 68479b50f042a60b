// node --expose-gc memory.mjs: resident memory after 10 and after 50 times load, one token, close.
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..')
const { GPT4All } = await import(join(root, 'dist', 'index.js'))
const resident = []
for (let i = 0; i < 50; i++) {
  const model = await GPT4All.load(join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf'), {
    nThreads: 1,
    nCtx: 256,
  })
  await model.generate('Once', { maxTokens: 1 })
  await model.close()
  globalThis.gc()
  await new Promise((resolve) => setImmediate(resolve))
  resident.push(process.memoryUsage.rss())
}
process.send({ early: Math.max(...resident.slice(5, 10)), late: Math.min(...resident.slice(45)) })
