// The rows on the isolated engine: what it costs to compute in another process.
import { engine } from '../engine-programs.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { median } from '../stats.mjs'

const EACH = { nCtx: 512, prompt: 64, tokens: 128 } // a stream

const row = (count) => ({
  name: count === 1 ? 'isolated' : `isolated-${count}`,
  title: `${count === 1 ? 'one stream' : `${count} streams at once`}, read token by token: \`isolated: true\` / in the same process`,
  bar: { atLeast: 0.95 },
  async measure({ model, threads, pairs, repetitions, onPair }) {
    const common = { ...EACH, model, threads, count, repetitions }
    const measured = await interleave(
      pairs,
      async () => median(await engine('streams', { ...common, isolated: true })),
      async () => median(await engine('streams', common)),
      onPair,
    )
    return { values: ratios(measured), note: speeds(measured, 'in the same process'), measured }
  },
})

export const isolatedRows = [row(1), row(8)]
