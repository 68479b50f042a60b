// A server in a process of its own, whose memory it tells when asked. Displaced conversations fill `cacheMemory` by design:
// here so little that it is full before anything is measured.
import { GPT4All } from '../../dist/index.js'
import { createServer } from '../../dist/server.js'

const [, , path, options = '{}'] = process.argv
const model = await GPT4All.load(path, { nThreads: 1, parallel: 8, nCtx: 512, cacheMemory: 2 ** 23 })
const server = createServer({ tiny: model }, JSON.parse(options))
const { url } = await server.listen({ port: 0 })

// The longest time for which the event loop was held, ms: of the clock, and what of it this process computed, since a busy machine
// takes the core away.
let held = { clock: 0, computing: 0 }
let at = performance.now()
let used = process.cpuUsage()
const look = () => {
  const now = performance.now()
  const { user, system } = process.cpuUsage(used)
  const clock = now - at
  held = {
    clock: Math.max(held.clock, clock),
    computing: Math.max(held.computing, Math.min(clock, (user + system) / 1000)),
  }
  at = now
  used = process.cpuUsage()
}
setInterval(look, 1)

process.on('message', async (asked) => {
  if (asked === 'end') {
    await server.close()
    await model.close()
    process.exit()
  }
  look()
  const since = held
  const { rss: most } = process.memoryUsage()
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await new Promise(setImmediate)
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  process.send({ rss, most, heap: heapUsed + arrayBuffers, held: since, activity: model.activity })
  look()
  held = { clock: 0, computing: 0 }
})
process.send({ url })
