// The rows on the isolated engine: what it costs to compute in another process.
import { engine } from '../engine-programs.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { median } from '../stats.mjs'

const EACH = { nCtx: 512, prompt: 64 } // a stream; pairs are many and short
const LENGTHS = { 1: { tokens: 96, repetitions: 2 }, 8: { tokens: 64, repetitions: 2 } }

const row = (count) => ({
  name: count === 1 ? 'isolated' : `isolated-${count}`,
  title: `${count === 1 ? 'one stream' : `${count} streams at once`}, read token by token: \`isolated: true\` / in the same process`,
  bar: { atLeast: 0.95 },
  async measure({ model, threads, pairs, onPair }) {
    const common = { ...EACH, ...LENGTHS[count], model, threads, count }
    const measured = await interleave(
      pairs,
      async () => median(await engine('streams', { ...common, isolated: true })),
      async () => median(await engine('streams', common)),
      onPair,
    )
    return { values: ratios(measured), note: speeds(measured, 'in the same process'), measured }
  },
})

const STREAMS = 8

/** Two processes with half of everything each; their rates count while both are at work, or nearly. */
const processes = {
  name: 'processes',
  title: `${STREAMS} streams: tokens/s of one process / of two with half of the streams and half of the threads each`,
  bar: { atLeast: 1 },
  async measure({ model, threads, pairs, onPair }) {
    if (threads % 2 === 1) return { skipped: 'it takes an even number of threads' }
    const common = { ...EACH, ...LENGTHS[STREAMS], model }
    const half = { ...common, threads: threads / 2, count: STREAMS / 2 }
    const measured = await interleave(
      pairs,
      async () => median(await engine('streams', { ...common, threads, count: STREAMS })),
      async () => {
        const both = await Promise.all([engine('streams', half), engine('streams', half)])
        return both.reduce((sum, rates) => sum + median(rates), 0)
      },
      onPair,
    )
    return { values: ratios(measured), note: speeds(measured, 'of two processes'), measured }
  },
}

export const isolatedRows = [row(1), row(8), processes]
