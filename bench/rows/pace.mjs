// The rows on how cost grows: with the length of a conversation, and with the number of streams.
import { engine } from '../engine-programs.mjs'
import { files } from '../models.mjs'
import { ratios, speeds } from '../pairs.mjs'
import { linearFit, median } from '../stats.mjs'

const TURN = { turns: 50, added: 32, answer: 16, nCtx: 4096 }
const SAVED = 1500 // tokens
const COUNTS = [1, 2, 4, 8, 16]
const EACH = { nCtx: 512, prompt: 64, tokens: 256 } // a stream
const LONG_RUNS = 5

export const pace = [
  {
    name: 'growth',
    title: `a conversation of ${TURN.turns} turns of equal length: R2 of time per turn, linear in depth`,
    bar: { atLeast: 0.98 },
    async measure({ model, threads, quick, onPair }) {
      const runs = []
      for (let variant = 0; variant < (quick ? 3 : LONG_RUNS); variant++) {
        runs.push(await engine('growth', { ...TURN, model, threads, variant }))
        onPair(undefined, variant)
      }
      const points = runs[0].map(({ depth }, turn) => [depth, median(runs.map((run) => run[turn].ms))])
      // The first turn has the model's start to pay for, and nothing cached.
      const fit = linearFit(points.slice(1))
      const perThousand = fit.slope * 1000
      return {
        values: [fit.r2],
        note: `${fit.intercept.toFixed(0)} ms a turn and ${perThousand.toFixed(0)} ms for each 1,000 tokens of depth, medians of ${runs.length} runs`,
        measured: runs,
        plot: {
          kind: 'line',
          title: `Time per turn, ${TURN.added} tokens added and ${TURN.answer} answered`,
          x: { label: 'tokens cached before the turn' },
          y: { label: 'ms' },
          series: [
            { name: 'measured', points },
            {
              name: 'linear fit',
              points: points.map(([depth]) => [depth, fit.intercept + fit.slope * depth]),
            },
          ],
        },
      }
    },
  },
  {
    name: 'restore',
    title: `a conversation of ${SAVED.toLocaleString('en')} tokens from a file with its state, until its next first token / evaluated anew`,
    bar: { atMost: 0.2 },
    async measure({ model, threads, pairs }) {
      const { measured, evaluated, live, saved, texts } = await engine('restore', {
        model,
        threads,
        tokens: SAVED,
        pairs,
      })
      if (texts.length > 1) throw new Error(`the texts differ: ${texts.join(' / ')}`)
      const megabytes = (saved.stateBytes / 1e6).toFixed(1)
      return {
        values: ratios(measured),
        note: `${speeds(measured, 'anew', 'ms')}; ${evaluated} tokens evaluated, ${live} where it goes on without a file; ${megabytes} MB for ${saved.stateTokens} tokens`,
        measured,
      }
    },
  },
  {
    name: 'throughput',
    title: `decode of all streams, ${COUNTS.join(', ')} of them: the least ratio of one count to the count before`,
    bar: { atLeast: 0.95 },
    async measure({ model, models, threads, quick }) {
      const repetitions = quick ? 1 : LONG_RUNS
      const series = []
      for (const { name, of } of files) {
        const options = { ...EACH, model: of({ model, models }), threads, counts: COUNTS, repetitions }
        const rates = await engine('throughput', options)
        series.push({ name, rates, points: COUNTS.map((count, i) => [count, median(rates[i])]) })
      }
      const steps = series.map(({ points }) => points.slice(1).map(([, rate], i) => rate / points[i][1]))
      const told = series.map(
        ({ name, points }) => `${name} ${points.map(([, rate]) => rate.toFixed(0)).join(', ')} tokens/s`,
      )
      return {
        values: [Math.min(...steps.flat())],
        note: told.join('; '),
        measured: series.map(({ name, rates }) => ({ name, rates })),
        plot: {
          kind: 'line',
          title: 'Decode of all streams together',
          x: { label: 'streams' },
          y: { label: 'tokens/s' },
          series: series.map(({ name, points }) => ({ name, points })),
        },
      }
    },
  },
]
