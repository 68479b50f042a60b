// How a library that embeds is asked: it runs in a process of its own that stays, reads one request a line from stdin and
// writes one answer a line to stdout, both JSON. The first request opens the model and says with which settings.
import { createInterface } from 'node:readline'

/**
 * `open(options)` resolves with `{ version, embed(texts), embedLong(texts) }`; vectors are unit Float32Arrays. A model that is
 * opened for each call has `loadingMs`, of the last call.
 */
export async function serve(open) {
  let model
  const jobs = {
    async open(options) {
      model = await open(options)
      return { version: model.version }
    },
    /** ms of all texts together, and their vectors where they are `wanted`. */
    async embed({ texts, long, wanted }) {
      const started = performance.now()
      const vectors = await (long ? model.embedLong(texts) : model.embed(texts))
      const ms = performance.now() - started - (model.loadingMs ?? 0)
      return { ms, ...(wanted && { vectors: vectors.map(encode) }) }
    },
    /** ms of each text, one after another. */
    async singly({ texts }) {
      const times = []
      for (const text of texts) {
        const started = performance.now()
        await model.embed([text])
        times.push(performance.now() - started)
      }
      return { times }
    },
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const { job, ...options } = JSON.parse(line)
    process.stdout.write(`${JSON.stringify(await jobs[job](options))}\n`)
  }
  process.exit()
}

const encode = (vector) => Buffer.from(Float32Array.from(vector).buffer).toString('base64')

/** Lists of indices of `items`, the longest first, of `batch` each: little of a batch is padding. */
export function byLength(items, batch) {
  const order = items.map((_, i) => i).sort((a, b) => items[b].length - items[a].length)
  return Array.from({ length: Math.ceil(order.length / batch) }, (_, i) =>
    order.slice(i * batch, (i + 1) * batch),
  )
}

/** The windows of `ids` that a model of 512 tokens can read, two of which frame each; they overlap by 8. */
export function windowsOf(ids) {
  const windows = []
  for (let start = 0; start === 0 || start + OVERLAP < ids.length; start += WINDOW - OVERLAP)
    windows.push(ids.slice(start, start + WINDOW))
  return windows
}

const WINDOW = 510
const OVERLAP = 8

/** The unit vector of the mean of unit vectors. */
export function mean(vectors) {
  const sum = new Float32Array(vectors[0].length)
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i] += vector[i]
  return unit(sum)
}

export function unit(vector) {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return vector.map((value) => value / norm)
}
