// A model that lies on the disk, by path and by name, alone and in a chat; then one that is not there.
import { GPT4All } from 'gpt4all-ts'

const [path, folder] = process.argv.slice(2)
for (const [name, options] of [
  [path, {}],
  ['tiny', { modelPath: folder }],
  ['tiny.gguf', {}], // in the default folder
]) {
  const model = await GPT4All.load(name, { nThreads: 1, ...options })
  const text = await model.withChatSession(() => model.generate('Count to 5.', { temp: 0, repeatPenalty: 1 }))
  process.send({ text })
  await model.close()
}
// Whoever uses a library does not want it to listen to signals.
process.send({ listeners: ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => process.listenerCount(signal)) })
const started = performance.now()
const error = await GPT4All.load('not-there').catch((reason) => reason)
process.send({ code: error.code, cause: error.cause?.code, ms: performance.now() - started })
const allowed = await GPT4All.load('not-there', { allowDownload: false }).catch((reason) => reason)
process.send({ code: allowed.code, cause: allowed.cause?.code })
