// The row on embeddings over HTTP, beside llama.cpp's own server at its best settings.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { buildLlamaTools, llamaToolsRoom } from '../../scripts/llama-tools.mjs'
import { withLock } from '../../scripts/lock.mjs'
import { inRoot } from '../../scripts/paths.mjs'
import { embeddingFiles } from '../embed/files.mjs'
import { cosine } from '../embed/process.mjs'
import { textsOf } from '../embed/texts.mjs'
import { startServer } from '../llama-server.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'

const CLIENTS = 8
const EACH = 4 // requests of a client
const BATCH = 32 // texts of a request
const SHAPE = { least: 20, most: 60 }
const TRIED = 1e6 // a seed of no pair
const ALIKE = 0.999

/** A server's batches have as many tokens; one slot for each client, or several. */
const SETTINGS = [512, 2048].flatMap((batch) => [
  { batch, slots: CLIENTS },
  { batch, slots: 4 * CLIENTS },
])

async function embeddings(url, input) {
  const response = await fetch(`${url}/v1/embeddings`, {
    method: 'POST',
    // A connection of its own: llama-server ends those that it keeps after 100 requests, whoever is about to use them.
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ model: 'minilm', input }),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  const { data } = await response.json()
  return data.map(({ embedding }) => embedding)
}

/** Texts per second of all clients together. */
async function rate(url, seed) {
  const texts = textsOf({ ...SHAPE, count: CLIENTS * EACH * BATCH, seed: seed + 1 })
  const started = performance.now()
  const client = async (_, index) => {
    for (let i = 0; i < EACH; i++) {
      const from = (index * EACH + i) * BATCH
      await embeddings(url, texts.slice(from, from + BATCH))
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return (texts.length / (performance.now() - started)) * 1000
}

async function ourServer(options) {
  const child = fork(inRoot('bench', 'ours-embed-server.mjs'), [JSON.stringify(options)])
  const [{ url }] = await once(child, 'message')
  const stop = async () => {
    const exited = once(child, 'exit')
    child.send('end')
    await exited
  }
  return { url, stop }
}

async function theirServer({ gguf, threads }, { batch, slots }) {
  const tools = await llamaToolsRoom('server')
  await withLock(() => buildLlamaTools(tools), tools.folder)
  const flags = [
    ...['--embeddings', '--pooling', 'mean', '--offline', '--fit', 'off', '--device', 'none'],
    ...['--parallel', slots, '--ctx-size', slots * 512, '--batch-size', batch, '--ubatch-size', batch],
    ...['--threads', threads, '--threads-batch', threads],
  ].map(String)
  return startServer(tools, { model: gguf, flags })
}

/** The settings with which llama-server is fastest. */
async function bestSetting(options) {
  const rates = []
  for (const setting of SETTINGS) {
    const server = await theirServer(options, setting)
    await rate(server.url, TRIED)
    rates.push(await rate(server.url, TRIED))
    await server.stop()
  }
  return SETTINGS[rates.indexOf(Math.max(...rates))]
}

export const embedServer = {
  name: 'embed-server',
  title: `/v1/embeddings, ${CLIENTS} clients, ${BATCH} texts a request: our server / llama-server`,
  bar: { atLeast: 1 },
  async measure({ threads, pairs: count, onPair }) {
    const { gguf } = await withLock(() => embeddingFiles())
    const setting = await bestSetting({ gguf, threads })
    const ours = await ourServer({ gguf, threads })
    const theirs = await theirServer({ gguf, threads }, setting)
    try {
      const texts = textsOf({ ...SHAPE, count: BATCH })
      const [mine, right] = [await embeddings(ours.url, texts), await embeddings(theirs.url, texts)]
      const least = Math.min(...mine.map((vector, i) => cosine(vector, right[i])))
      if (!(least >= ALIKE)) throw new Error(`the servers' vectors differ (cosine ${least.toFixed(5)})`)
      await rate(ours.url, TRIED)
      await rate(theirs.url, TRIED)
      const measured = await interleave(
        count,
        (i) => rate(ours.url, i),
        (i) => rate(theirs.url, i),
        onPair,
      )
      const settings = `${setting.slots} slots, batches of ${setting.batch} tokens`
      return {
        values: ratios(measured),
        note: `${settings}: ${speeds(measured, 'of llama-server', 'texts/s')}`,
        measured,
      }
    } finally {
      await theirs.stop()
      await ours.stop()
    }
  },
}
