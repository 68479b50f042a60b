// A server in a process of its own, whose memory it tells when asked. Displaced conversations fill `cacheMemory` by design:
// here so little that it is full before anything is measured.
import { GPT4All } from '../../dist/index.js'
import { createServer } from '../../dist/server.js'

const [, , path, options = '{}'] = process.argv
const model = await GPT4All.load(path, { nThreads: 1, parallel: 8, nCtx: 512, cacheMemory: 2 ** 23 })
const server = createServer({ tiny: model }, JSON.parse(options))
const { url } = await server.listen({ port: 0 })
process.on('message', async (asked) => {
  if (asked === 'end') {
    await server.close()
    await model.close()
    process.disconnect()
    return
  }
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await new Promise(setImmediate)
  }
  process.send({ rss: process.memoryUsage().rss, activity: model.activity })
})
process.send({ url })
