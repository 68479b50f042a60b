// Our server in a process of its own, for bench/rows/server.mjs: tells its address, and generates in the same process
// when asked to.
import { GPT4All } from '../dist/index.js'
import { createServer } from '../dist/server.js'

const { model: file, threads, parallel, nCtx } = JSON.parse(process.argv[2])
const model = await GPT4All.load(file, { nThreads: threads, parallel, nCtx })
const server = createServer({ bench: model })
const { url } = await server.listen({ port: 0 })
const bannedTokens = await model.tokenize('<|im_end|><|endoftext|>', { parseSpecial: true })

/** What the server does for such a request, without the server: pieces come as often. */
async function generate({ messages, max_tokens: maxTokens, logit_bias: logitBias }) {
  const chat = model.chatSession({ messages })
  const times = []
  const generation = chat.regenerate({ maxTokens, temp: 0, repeatPenalty: 1, logitBias, streamInterval: 32 })
  for await (const _ of generation) times.push(performance.now())
  return { tokens: (await generation.result).usage.completionTokens, times }
}

process.on('message', async (asked) => {
  if (asked !== 'end') return process.send(await generate(asked))
  await server.close()
  await model.close()
  process.disconnect()
})
process.once('disconnect', () => process.exit()) // also where whoever measures was ended
process.send({ url, bannedTokens })
