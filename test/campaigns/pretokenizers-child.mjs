// Takes long texts by every door: `tokenize()`, a chat, and a server. Says, for each text, what came of it and how long it took.
import { readFileSync } from 'node:fs'
import { GPT4All } from '../../dist/index.js'
import { createServer } from '../../dist/server.js'

const [, , path, texts] = process.argv
const model = await GPT4All.load(path, { nCtx: 512, nThreads: 1 })
const server = createServer({ tiny: model })
const { url } = await server.listen({ port: 0 })

async function timed(work) {
  const since = performance.now()
  const outcome = await work().catch((error) => error.code ?? String(error))
  return { outcome, ms: Math.round(performance.now() - since) }
}

for (const { kind, text } of JSON.parse(readFileSync(texts, 'utf8'))) {
  let ids = []
  const tokenize = await timed(async () => {
    ids = await model.tokenize(text)
    return 'tokens'
  })
  const chat = await timed(async () => {
    await model.chatSession().generate(text, { maxTokens: 1 })
    return 'answer'
  })
  const served = await timed(async () => {
    const body = JSON.stringify({ model: 'tiny', max_tokens: 1, messages: [{ role: 'user', content: text }] })
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    await answer.text()
    return answer.status
  })
  console.log(JSON.stringify({ kind, tokens: ids.length, tokenize, chat, served }))
}
await server.close()
await model.close()
