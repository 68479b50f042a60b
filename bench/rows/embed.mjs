// The rows on embeddings: throughput and latency beside the fastest of other libraries, each at its best settings, all on
// the same weights; and what our embedding costs the process that it is in.
import { withLock } from '../../scripts/lock.mjs'
import { embeddingFiles } from '../embed/files.mjs'
import { OURS } from '../embed/libraries.mjs'
import { startEmbedder } from '../embed/process.mjs'
import { textsOf } from '../embed/texts.mjs'
import { fastest, told } from '../embed/trials.mjs'
import { oursEmbedding } from '../engine-programs.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { median } from '../stats.mjs'

const SHORT = { least: 20, most: 60 }
const LONG = { least: 2000, most: 2000 }
const LINE = { least: 8, most: 8 }
const CHECKED = 20
const TRIED = 1e6 // a seed of no pair

/** Texts per second. */
const rate = async (embedder, texts, long) =>
  (texts.length / (await embedder.embed(texts, { long })).ms) * 1000
/** ms of one text, the median of all after some that warm up. */
const latency = async (embedder, texts) => median((await embedder.singly(texts)).slice(10))

/**
 * A row: `measureOf(embedder, seed, part)` is its figure, of which the trials of settings measure a `part` only; whoever has
 * `better` of them in the trials is whom we are measured against.
 */
const against = ({ name, title, bar, kind, shape, unit, lower = false, measureOf }) => ({
  name,
  title,
  bar,
  async measure({ threads, pairs, quick, onPair }) {
    const files = await withLock(() => embeddingFiles())
    const part = quick ? 0.05 : 0.15
    const { best, others, failed } = await fastest({
      ...{ kind, files, threads },
      texts: textsOf({ ...shape, count: CHECKED }),
      scoreOf: async (embedder) => (await measureOf(embedder, TRIED, part)) * (lower ? -1 : 1),
    })
    const ours = await startEmbedder(OURS, { ...files, threads })
    const theirs = await startEmbedder(best.library, best.options)
    try {
      await measureOf(ours, TRIED, part)
      await measureOf(theirs, TRIED, part)
      const measured = await interleave(
        pairs,
        (i) => measureOf(ours, i, 1),
        (i) => measureOf(theirs, i, 1),
        onPair,
      )
      const tried = others.map((other) => `${told(other)}: ${Math.abs(other.score).toFixed(1)}`)
      const behind = `the others in trials: ${[...tried, ...failed].join('; ')}`
      return {
        values: ratios(measured),
        note: `${told(best)}: ${speeds(measured, 'of theirs', unit)}; ${behind}`,
        measured,
      }
    } finally {
      await ours.stop()
      await theirs.stop()
    }
  },
})

const throughput = ({ count, shape, ...row }) =>
  against({
    ...row,
    shape,
    unit: 'texts/s',
    measureOf: (embedder, seed, part) =>
      rate(
        embedder,
        textsOf({ ...shape, seed: seed + 1, count: Math.ceil(count * part) }),
        row.kind === 'long',
      ),
  })

/** A row on our side alone. */
const alone = ({ name, title, unit, bar, job, options }) => ({
  name,
  title,
  unit,
  bar,
  async measure({ threads, quick, pairs }) {
    const { gguf } = await withLock(() => embeddingFiles())
    return oursEmbedding(job, { ...options, gguf, threads, rounds: quick ? 1 : Math.min(pairs, 5) })
  },
})

export const embedRows = [
  throughput({
    name: 'embed',
    title: '2,000 texts of 20 to 60 words / the fastest other library',
    bar: { atLeast: 1.2 },
    kind: 'short',
    count: 2000,
    shape: SHORT,
  }),
  throughput({
    name: 'embed-long',
    title: '100 texts of 2,000 words, the mean of their chunks / the fastest other library',
    bar: { atLeast: 1.2 },
    kind: 'long',
    count: 100,
    shape: LONG,
  }),
  against({
    name: 'embed-one',
    title: 'latency of one text of 8 words / the fastest other library',
    bar: { atMost: 0.8 },
    kind: 'one',
    shape: LINE,
    unit: 'ms',
    lower: true,
    measureOf: (embedder, seed) => latency(embedder, textsOf({ ...LINE, seed: seed + 1, count: 110 })),
  }),
  alone({
    name: 'embed-loop',
    title: "p99 of the event loop's delay during 2,000 texts, less idle",
    unit: 'ms',
    bar: { atMost: 4 },
    job: 'loop',
    options: { ...SHORT, count: 2000 },
  }),
  alone({
    name: 'embed-memory',
    title: 'growth of RSS over 100,000 short texts through embedAll()',
    unit: 'MiB',
    bar: { atMost: 64, worst: true },
    job: 'memory',
    options: { least: 3, most: 6, count: 100_000 },
  }),
]
