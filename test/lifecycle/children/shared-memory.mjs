// node --expose-gc shared-memory.mjs <model> <copy>: megabytes that a first GPT4All takes, a second of the same file, and one of a copy.
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..')
const { GPT4All } = await import(join(root, 'dist', 'index.js'))
const grown = []
const models = []
let before = process.memoryUsage.rss()
for (const path of [process.argv[2], process.argv[2], process.argv[3]]) {
  models.push(await GPT4All.load(path, { nThreads: 1, nCtx: 256, parallel: 1 }))
  await models.at(-1).generate('Once', { maxTokens: 1 })
  globalThis.gc()
  const now = process.memoryUsage.rss()
  grown.push((now - before) / 2 ** 20)
  before = now
}
for (const model of models) await model.close()
process.send(grown)
