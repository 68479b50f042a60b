// The rows on the server: what HTTP costs, many clients beside llama.cpp's own server, and clients that vanish.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { buildLlamaTools, llamaToolsRoom } from '../../scripts/llama-tools.mjs'
import { withLock } from '../../scripts/lock.mjs'
import { inRoot } from '../../scripts/paths.mjs'
import { load, rateOf, request, stream } from '../http-client.mjs'
import { startServer } from '../llama-server.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { median } from '../stats.mjs'

const CTX = 1024 // of each client
const ONE = { tokens: 192 }
const MANY = { clients: 8, each: 2, tokens: 128 }
const STEADY = { clients: 4, each: 20, tokens: 100 }
const VANISHING = 100

/** No two alike: nothing but the beginning is cached. */
const question = (i) => `Tell me a long story about the number ${1000 + 37 * i}, the sea, and an old clock.`

async function ourServer(options) {
  const child = fork(inRoot('bench', 'ours-server.mjs'), [JSON.stringify({ nCtx: CTX, ...options })])
  const [{ url, bannedTokens }] = await once(child, 'message')
  const generate = async (body) => {
    child.send(body)
    return (await once(child, 'message'))[0]
  }
  const stop = async () => {
    const exited = once(child, 'exit')
    child.send('end')
    await exited
  }
  return { url, bannedTokens, generate, stop }
}

export const serverRows = [
  {
    name: 'server',
    title: 'one client that streams over HTTP / generate() in the same process',
    bar: { atLeast: 0.95 },
    async measure({ model, threads, pairs: count, onPair }) {
      const server = await ourServer({ model, threads, parallel: 1 })
      try {
        const body = (i) =>
          request({ prompt: question(i), tokens: ONE.tokens, bannedTokens: server.bannedTokens })
        await stream(server.url, body(0))
        const pairs = await interleave(
          count,
          async (i) => rateOf(await stream(server.url, body(1 + i))),
          async (i) => rateOf(await server.generate(body(1 + i))),
          onPair,
        )
        return { values: ratios(pairs), note: speeds(pairs, 'in process'), measured: pairs }
      } finally {
        await server.stop()
      }
    },
  },
  {
    name: 'server-8',
    title: `all tokens of ${MANY.clients} clients, prompts included: our server / llama-server`,
    bar: { atLeast: 0.95 },
    async measure({ model, threads, pairs: count, onPair }) {
      const tools = await llamaToolsRoom('server')
      await withLock(() => buildLlamaTools(tools, () => {}), tools.folder)
      const { clients } = MANY
      const flags = [
        ...['--jinja', '--offline', '--fit', 'off', '--device', 'none', '--parallel', clients],
        ...['--ctx-size', clients * CTX, '--threads', threads, '--threads-batch', threads],
      ].map(String)
      const ours = await ourServer({ model, threads, parallel: clients })
      const theirs = await startServer(tools, { model, flags })
      try {
        const { bannedTokens } = ours
        const total = (url) => async (i) => {
          const bodyOf = (k) => request({ prompt: question(1000 * i + k), tokens: MANY.tokens, bannedTokens })
          const { tokens, ms } = await load(url, { ...MANY, bodyOf })
          return (tokens / ms) * 1000
        }
        await total(ours.url)(count)
        await total(theirs.url)(count)
        const pairs = await interleave(count, total(ours.url), total(theirs.url), onPair)
        return { values: ratios(pairs), note: speeds(pairs, 'of llama-server'), measured: pairs }
      } finally {
        await theirs.stop()
        await ours.stop()
      }
    },
  },
  {
    name: 'server-vanish',
    title: `time of ${STEADY.clients} clients while ${VANISHING} others come and vanish in their streams / undisturbed`,
    bar: { atMost: 1.2 },
    async measure({ model, threads, pairs: count, onPair }) {
      const server = await ourServer({ model, threads, parallel: 8 })
      const { bannedTokens, url } = server
      try {
        const bodyOf = (i) => request({ prompt: question(i), tokens: STEADY.tokens, bannedTokens })
        const time = async (i) => (await load(url, { ...STEADY, bodyOf: (k) => bodyOf(1000 * i + k) })).ms
        const undisturbed = await time(count)
        const disturbed = async (i) => {
          // Spread over the time that it takes without them.
          const pause = undisturbed / VANISHING
          const vanishing = []
          for (let k = 0; k < VANISHING; k++) {
            const gone = new Promise((resolve) => setTimeout(resolve, k * pause)).then(() =>
              stream(url, bodyOf(1e6 + 1000 * i + k), (pieces) => pieces < 2),
            )
            vanishing.push(gone)
          }
          const ms = await time(i)
          await Promise.all(vanishing)
          return ms
        }
        const pairs = await interleave(count, disturbed, time, onPair)
        const side = (name) => (median(pairs.map((pair) => pair[name])) / 1000).toFixed(1)
        return {
          values: ratios(pairs),
          note: `${side('ours')} s against ${side('theirs')} s`,
          measured: pairs,
        }
      } finally {
        await server.stop()
      }
    },
  },
]
