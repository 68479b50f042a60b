// Which packages, and which of Node's own modules for networks, are loaded after the import and after an answer.
// Prints it: a process with a channel to its parent has loaded `net` before.
import { createRequire } from 'node:module'
import { GPT4All } from 'gpt4all-ts'

const NETWORK = ['net', 'dns', 'http', 'https', 'tls']
const { cache } = createRequire(import.meta.url)
const packages = () => Object.keys(cache).filter((file) => /[\\/]node_modules[\\/]/.test(file))

const [path] = process.argv.slice(2)
const imported = {
  files: Object.keys(cache).length,
  packages: packages(),
  network: NETWORK.filter((name) => process.moduleLoadList.includes(`NativeModule ${name}`)),
}
const model = await GPT4All.load(path, { nThreads: 1 })
await model.generate('Count to 5.', { maxTokens: 2 })
await model.close()
console.log(JSON.stringify({ imported, answered: { packages: packages() } }))
