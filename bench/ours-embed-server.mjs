// Our server with an embedding model, in a process of its own, for bench/rows/embed-server.mjs: tells its address.
import { Embed4All } from '../dist/index.js'
import { createServer } from '../dist/server.js'

const { gguf, threads } = JSON.parse(process.argv[2])
const embedder = await Embed4All.load(gguf, { nThreads: threads, device: 'cpu' })
const server = createServer({ minilm: embedder })
const { url } = await server.listen({ port: 0 })

process.on('message', async () => {
  await server.close()
  await embedder.close()
  process.disconnect()
})
process.once('disconnect', () => process.exit()) // also where whoever measures was ended
process.send({ url })
