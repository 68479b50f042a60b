// node progress-bar.mjs FOLDER GOOD BAD STALLING: verbose downloads on a terminal, two of them at once; then one that fails and
// one that is aborted. It must end by itself.
import { fileURLToPath } from 'node:url'
import { GPT4All } from 'gpt4all-ts'

const [modelPath, good, bad, stalling] = process.argv.slice(2)
const download = (name, url, options) =>
  GPT4All.downloadModel(name, { url, modelPath, verbose: true, ...options })
await Promise.all([download('one', good), download('two', good)])
await download('three', bad).catch((error) => console.log(`failed: ${error.code}`))
const signal = AbortSignal.timeout(300)
await download('four', stalling, { signal }).catch((error) => console.log(`aborted: ${error.name}`))
const told = []
await download('five', good, { onProgress: ({ phase }) => told.push(phase) })
const embedded = fileURLToPath(new URL('../../../models/gpt4all-ts-tiny-chat.Q8_0.gguf', import.meta.url))
await (await GPT4All.load(embedded, { nThreads: 1, verbose: true })).close()
console.log(`told: ${new Set(told).size}`)
