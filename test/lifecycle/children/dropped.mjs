// node --expose-gc dropped.mjs: an isolated model, and a generation of another, that nobody holds any more and nobody has closed.
import { fileURLToPath } from 'node:url'
import { GPT4All } from 'gpt4all-ts'

const EMBEDDED = fileURLToPath(new URL('../../../models/gpt4all-ts-tiny-chat.Q8_0.gguf', import.meta.url))
const OPTIONS = { nThreads: 1, nCtx: 512, isolated: true }
// Without its end tokens, <|im_end|> and <|endoftext|>, the model goes on.
const logitBias = { 2: Number.NEGATIVE_INFINITY, 0: Number.NEGATIVE_INFINITY }
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Collects until `isSo`; what is not so after that many turns never will be. */
async function collectUntil(isSo) {
  for (let i = 0; i < 20_000 && !isSo(); i++) {
    if (i % 50 === 0) globalThis.gc()
    await turn()
  }
  return isSo()
}

function isGone(pid) {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

async function drop() {
  const model = await GPT4All.load(EMBEDDED, OPTIONS)
  await model.generate('Once', { maxTokens: 2 })
  return model.engine.pid
}
const pid = await drop()
process.send({ model: await collectUntil(() => isGone(pid)) })

// A reader that goes away without `break`: the turn of the chat, and its place in the engine, are free again.
const model = await GPT4All.load(EMBEDDED, { ...OPTIONS, parallel: 1 })
const chat = model.chatSession()
await (async () => {
  const pieces = chat
    .generate('Count from 1 to 20.', { temp: 0, maxTokens: 400, logitBias })
    [Symbol.asyncIterator]()
  await pieces.next()
})()
let answered
chat.generate('What is the capital of France?', { temp: 0 }).then((text) => {
  answered = text
})
await collectUntil(() => answered !== undefined)
process.send({ answered })
// What is awaited is not collected, however little else holds it.
const waited = model.generate('Once upon a time', { temp: 0, maxTokens: 100, logitBias }).then(
  (text) => text.length > 100,
  (error) => error.message,
)
const collecting = setInterval(() => globalThis.gc(), 1)
process.send({ waited: await waited })
clearInterval(collecting)
await model.close()
