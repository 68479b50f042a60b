// The rows on the engine: one stream against llama.cpp's tools is bench/rows/native.mjs, many are here, and what
// the engine does beside evaluating: drafting, giving way, opening, keeping its memory and its pace.
import { platform } from 'node:process'
import {
  batchedBench,
  completionMemory,
  completionOpening,
  emptyNodeMemory,
  engine,
} from '../engine-programs.mjs'
import { files } from '../models.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { llamaBench } from '../programs.mjs'
import { median, quantile } from '../stats.mjs'

const CONTEXT = 2048
const STREAMS = 8
const EACH = { count: STREAMS, nCtx: 512, prompt: 64, tokens: 96 } // a stream
const LONG_PROMPT = 1500
const COPIED = { copies: 6, tokens: 64 }
const STORY = 192
const FIXED = [1, 2] // thread counts
const AT_WORK = { prompt: 512, tokens: 32 }
const LONG_PAIRS = 5
const MIB = 2 ** 20

const middle = (values, digits = 1) => median(values).toFixed(digits)

const streams = ({ suffix, name, of }) => ({
  name: `streams-${STREAMS}${suffix}`,
  title: `${STREAMS} streams at once, ${name}: tokens/s of all / llama-batched-bench S_TG, prompts of ${EACH.prompt}, contexts of ${EACH.nCtx}`,
  bar: { atLeast: 0.9 },
  async measure({ tools, model, models, threads, pairs, repetitions, onPair }) {
    const common = { ...EACH, model: of({ model, models }), threads, repetitions }
    const once = { ...common, repetitions: 1 }
    const [shared] = await batchedBench(tools, { ...once, unified: true })
    const [apart] = await batchedBench(tools, { ...once, unified: false })
    const unified = shared > apart // whichever is its best
    const measured = await interleave(
      pairs,
      async () => median(await engine('streams', common)),
      async () => median(await batchedBench(tools, { ...common, unified })),
      onPair,
    )
    const cache = unified ? 'one KV cache for all' : 'a KV cache each'
    return { values: ratios(measured), note: speeds(measured, `of its best, with ${cache}`), measured }
  },
})

export const engineRows = [
  ...files.map(streams),
  {
    name: 'gap',
    title: `p99 gap between tokens of ${STREAMS - 1} streams while a prompt of ${LONG_PROMPT.toLocaleString('en')} tokens arrives / median gap of a step of ${STREAMS}`,
    bar: { atMost: 4 },
    async measure({ model, threads, quick }) {
      const options = {
        nCtx: CONTEXT,
        prompt: LONG_PROMPT,
        beside: STREAMS - 1,
        runs: quick ? 2 : LONG_PAIRS,
      }
      const measured = await engine('gap', { ...options, model, threads })
      const p99 = quantile(
        measured.flatMap((run) => run.gaps),
        0.99,
      )
      const step = median(measured.flatMap((run) => run.steps))
      const arrival = middle(
        measured.map((run) => run.arrival),
        0,
      )
      const note = `${p99.toFixed(1)} against ${step.toFixed(1)} ms over ${measured.length} runs; the prompt's first token after ${arrival} ms`
      return { values: [p99 / step], note, measured }
    },
  },
  {
    name: 'lookup-copy',
    title: `a copy, greedy, Q4_0: decode with prompt lookup / llama-bench tg${COPIED.tokens} at the same depth`,
    bar: { atLeast: 1.5 },
    async measure({ tools, models, threads, pairs, repetitions, onPair }) {
      const common = { model: models.q4_0, threads, repetitions }
      const { depth, proposed, accepted } = await engine('copy', { ...common, ...COPIED })
      const measured = await interleave(
        pairs,
        async () => median((await engine('copy', { ...common, ...COPIED })).rates),
        async () => median(await llamaBench(tools, { ...common, tokens: COPIED.tokens, depth })),
        onPair,
      )
      const note = `${speeds(measured, 'of llama-bench')}; ${accepted} of ${proposed} guesses right, depth ${depth}`
      return { values: ratios(measured), note, measured }
    },
  },
  {
    name: 'lookup-none',
    title: 'stories at temperature 1, Q4_0: decode with prompt lookup / without',
    bar: { atLeast: 0.97 },
    async measure({ models, threads, pairs }) {
      const measured = await engine('story', { model: models.q4_0, threads, pairs, tokens: STORY })
      return { values: ratios(measured), note: speeds(measured, 'without'), measured }
    },
  },
  {
    name: 'busy',
    title: `one busy loop per core beside it, after 2 s: decode / the better of ${FIXED.join(' and ')} fixed threads`,
    bar: { atLeast: 0.9 },
    async measure({ model, quick }) {
      const rounds = quick ? 3 : 15
      const options = { model, fixed: FIXED, rounds, settle: 2000, ms: 2000 }
      const measured = await engine('busy', options)
      const fixed = FIXED.map((_, i) => median(measured.map((round) => round.fixed[i])))
      const best = fixed.indexOf(Math.max(...fixed))
      const chosen = middle(measured.map((round) => round.chosen))
      const others = fixed.map((rate) => rate.toFixed(1)).join(' and ')
      return {
        values: measured.map((round) => round.chosen / round.fixed[best]),
        note: `${chosen} tokens/s against ${others}`,
        measured,
      }
    },
  },
  {
    name: `loop-${STREAMS}`,
    title: `event loop's p99 delay with ${STREAMS} streams, less the idle p99`,
    unit: 'ms',
    bar: { atMost: 8 },
    async measure({ model, threads, quick }) {
      const rounds = { rounds: quick ? 3 : 7, ms: quick ? 1500 : 3000 }
      const measured = await engine('loop', { model, threads, count: STREAMS, ...rounds })
      const side = (name) =>
        middle(
          measured.map((round) => round[name]),
          2,
        )
      return {
        values: measured.map(({ idle, generating }) => generating - idle),
        note: `${side('generating')} ms generating, ${side('idle')} ms idle`,
        measured,
      }
    },
  },
  {
    name: 'memory-one',
    title: `anonymous memory with one stream at work, less an empty Node's, less llama-completion's, context of ${CONTEXT}`,
    unit: 'MiB',
    bar: { atMost: 40 },
    async measure({ tools, model, threads, pairs, onPair }) {
      if (platform !== 'linux') return { skipped: 'only Linux tells it' }
      const common = { model, threads, nCtx: CONTEXT }
      const prompt = 'Once upon a time, '.repeat(AT_WORK.prompt / 5)
      const measured = await interleave(
        Math.min(pairs, LONG_PAIRS),
        async () => ((await engine('memory', { ...common, ...AT_WORK })) - (await emptyNodeMemory())) / MIB,
        async () => (await completionMemory(tools, { ...common, prompt })) / MIB,
        onPair,
      )
      const note = speeds(measured, 'of llama-completion', 'MiB')
      return { values: measured.map(({ ours, theirs }) => ours - theirs), note, measured }
    },
  },
  {
    name: 'open',
    title:
      'open a warm file (weights, context, template; no warm-up) / llama-completion the same, by its own clock',
    bar: { atMost: 1.15 },
    async measure({ tools, model, threads, pairs, onPair }) {
      const common = { model, threads, nCtx: CONTEXT }
      await engine('open', common) // reads the file, and tries a template that is not known
      const measured = await interleave(
        pairs,
        async () => (await engine('open', common)).opened,
        () => completionOpening(tools, common),
        onPair,
      )
      return {
        values: ratios(measured),
        note: speeds(measured, 'of llama-completion, with its template read too', 'ms'),
        measured,
      }
    },
  },
]
