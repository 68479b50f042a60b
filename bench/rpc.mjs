// `npm run bench:rpc`: a model split over two ggml-rpc-servers on the loopback, counted at proxies between: bytes when it is opened, for each
// token of a prompt, and for each token of an answer; and the speed beside that of this process alone.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { parseArgs } from 'node:util'
import { GPT4All } from '../dist/index.js'
import { buildLlamaTools, llamaToolsRoom } from '../scripts/llama-tools.mjs'
import { withLock } from '../scripts/lock.mjs'
import { realModel } from '../scripts/paths.mjs'
import { promptOf } from './prompts.mjs'

const { values } = parseArgs({ options: { model: { type: 'string', default: realModel } } })
const PROMPT = 256
const TOKENS = 65
const GREEDY = { temp: 0, repeatPenalty: 1, stop: ['\u0000'] }
const OPTIONS = { nThreads: 1, nCtx: 1024 }

const room = await llamaToolsRoom('rpc')
await withLock(() => buildLlamaTools(room, () => {}), room.folder)
const ending = []
const servers = [await serve(), await serve()]
try {
  const here = await measure({})
  const there = await measure({ rpcServers: servers.map(({ endpoint }) => endpoint) })
  const per = (key) => servers.map(({ counted }) => Math.round(counted[key] / 1024))
  process.stdout.write(`KiB to and from the first server, and the second
opening       ${per('opening').join('  ')}
prompt token  ${servers.map(({ counted }) => (counted.prompt / PROMPT / 1024).toFixed(1)).join('  ')}
answer token  ${servers.map(({ counted }) => (counted.answer / (TOKENS - 1) / 1024).toFixed(1)).join('  ')}
tokens/s      ${there.rate.toFixed(1)}, here alone ${here.rate.toFixed(1)}; texts ${there.text === here.text ? 'are the same' : 'differ'}
`)
} finally {
  for (const end of ending) end()
}

async function measure(options) {
  const counts = (into) => {
    for (const server of servers) {
      server.counted[into] = server.bytes - (server.from ?? 0)
      server.from = server.bytes
    }
  }
  const model = await GPT4All.load(values.model, { ...OPTIONS, ...options })
  const warmUp = await promptOf(model, PROMPT, 0)
  await model.generate(warmUp, { ...GREEDY, maxTokens: 2 })
  counts('opening')
  const prompt = await promptOf(model, PROMPT, 1)
  await model.generate(prompt, { ...GREEDY, maxTokens: 1 })
  counts('prompt')
  // The prompt is cached but for its last token.
  const { text, timings } = await model.generate(prompt, { ...GREEDY, maxTokens: TOKENS }).result
  counts('answer')
  await model.close()
  return { text, rate: timings.tokensPerSecond }
}

/** A ggml-rpc-server behind a proxy that counts. */
async function serve() {
  const port = await listening(createServer(), true)
  const child = spawn(room.rpcServer, ['--host', '127.0.0.1', '--port', String(port), '--threads', '1'], {
    stdio: 'ignore',
  })
  ending.push(() => child.kill('SIGKILL'))
  const server = { bytes: 0, counted: {} }
  const proxy = createServer((socket) => {
    const onward = connect({ host: '127.0.0.1', port })
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ]) {
      from.on('data', (data) => {
        server.bytes += data.length
      })
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
  server.endpoint = `127.0.0.1:${await listening(proxy)}`
  ending.push(() => proxy.close())
  return server
}

async function listening(server, onlyToFindOne = false) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  if (onlyToFindOne) {
    server.close()
    await once(server, 'close')
  }
  return port
}
