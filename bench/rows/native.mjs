// The rows that hold one stream, and how the library behaves, against llama.cpp's own tools. `measure` resolves with
// `values` (what the bar is about; a row's figure is their median, or the worst of them) and, where there is more to
// say, `note`.
import { CONTEXT, difference, flagsFor, PROMPTS, TOKENS } from '../greedy.mjs'
import { files } from '../models.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { llamaBench, llamaCompletion, ours } from '../programs.mjs'
import { median } from '../stats.mjs'

const DEPTH = 256
const DECODED = 64
const PREFILLED = 512
const TURNS = [2, 20]
const ADDED = 30
const ANSWERED = 16
const PP = 32 // the prompt of llama-bench beside them
const LONG_PROMPT = 4000
const ABORT_DELAYS = [50, 120, 250, 400, 700, 1000]
const MB = 2 ** 20

const decode = ({ suffix, name, of }) => ({
  name: `decode${suffix}`,
  title: `decode through generate(), ${name}, ${DECODED} tokens at depth ${DEPTH} / llama-bench tg${DECODED} @ d${DEPTH}`,
  bar: { atLeast: 1 },
  async measure({ tools, model, models, threads, pairs, repetitions, onPair }) {
    const common = { model: of({ model, models }), threads, repetitions }
    const measured = await interleave(
      pairs,
      async () => median((await ours('speed', { ...common, prompt: DEPTH, tokens: DECODED })).decode),
      async () => median(await llamaBench(tools, { ...common, tokens: DECODED, depth: DEPTH })),
      onPair,
    )
    return { values: ratios(measured), note: speeds(measured, 'of llama-bench'), measured }
  },
})

const prefill = ({ suffix, name, of }) => ({
  name: `prefill${suffix}`,
  title: `prefill of ${PREFILLED} tokens through generate(), ${name} / llama-bench pp${PREFILLED}`,
  bar: { atLeast: 1 },
  async measure({ tools, model, models, threads, pairs, repetitions, onPair }) {
    const common = { model: of({ model, models }), threads, repetitions, prompt: PREFILLED }
    const measured = await interleave(
      pairs,
      async () => median((await ours('speed', { ...common, tokens: 0 })).prefill),
      async () => median(await llamaBench(tools, common)),
      onPair,
    )
    return { values: ratios(measured), note: speeds(measured, 'of llama-bench'), measured }
  },
})

export const native = [
  ...files.map(decode),
  ...files.map(prefill),
  {
    name: 'turns',
    title: `time to the first token of a chat's turn ${TURNS[1]} / turn ${TURNS[0]}, ${ADDED} new tokens each, against llama-bench's at the same depths`,
    bar: { atMost: 1.15 },
    async measure({ tools, model, threads, pairs, onPair }) {
      const options = { model, threads, added: ADDED, answer: ANSWERED, at: TURNS }
      const [early, late] = await ours('turns', { ...options, variant: 0 })
      const measured = await interleave(
        pairs,
        async (i) => {
          const [first, last] = await ours('turns', { ...options, variant: i })
          return last.ms / first.ms
        },
        async () => {
          const speedAt = async ({ depth }) =>
            median(await llamaBench(tools, { model, threads, prompt: PP, depth, repetitions: 2 }))
          return (await speedAt(early)) / (await speedAt(late))
        },
        onPair,
      )
      const side = (name) => median(measured.map((pair) => pair[name])).toFixed(2)
      const depths = `${early.depth} and ${late.depth} cached, ${early.evaluated} and ${late.evaluated} evaluated`
      return {
        values: ratios(measured),
        note: `${side('ours')} against ${side('theirs')}; ${depths}`,
        measured,
      }
    },
  },
  {
    name: 'sampling',
    title: 'default sampling (temp 0.7, topK 40, topP 0.4, penalty 1.18) / temp 0 without penalty',
    bar: { atLeast: 0.95 },
    async measure({ model, threads, pairs }) {
      const measured = await ours('sampling', { model, threads, pairs, prompt: DEPTH, tokens: DECODED })
      return { values: ratios(measured), note: speeds(measured, 'greedily'), measured }
    },
  },
  {
    name: 'loop',
    title: "event loop's p99 delay while generating, less the idle p99",
    unit: 'ms',
    bar: { atMost: 4 },
    async measure({ model, threads, quick }) {
      const measured = await ours('loop', { model, threads, rounds: quick ? 3 : 7, ms: quick ? 1000 : 2000 })
      const side = (name) => median(measured.map((round) => round[name])).toFixed(2)
      return {
        values: measured.map(({ idle, generating }) => generating - idle),
        note: `${side('generating')} ms generating, ${side('idle')} ms idle`,
        measured,
      }
    },
  },
  {
    name: 'abort',
    title: `abort inside a prompt of ${LONG_PROMPT.toLocaleString('en')} tokens, time to the rejection`,
    unit: 'ms',
    bar: { atMost: 200, worst: true },
    async measure({ model, threads, quick }) {
      const delays = quick ? ABORT_DELAYS.slice(0, 3) : [...ABORT_DELAYS, ...ABORT_DELAYS]
      const measured = await ours('abort', { model, threads, prompt: LONG_PROMPT, delays })
      const next = measured.map((run) => run.next)
      return {
        values: measured.map((run) => run.rejection),
        note: `the next generation's first token ${median(next).toFixed(0)} ms after the abort, at worst ${Math.max(...next).toFixed(0)}`,
        measured,
      }
    },
  },
  {
    name: 'memory',
    title: 'load, one token, close, 50 times: RSS after 50 / RSS after 10',
    bar: { atMost: 1.05 },
    async measure({ model, threads }) {
      const resident = await ours('memory', { model, threads, times: 50 }, ['--expose-gc'])
      const [after10, after50] = [resident[9], resident[49]]
      const note = `${(after10 / MB).toFixed(0)} MB after 10, ${(after50 / MB).toFixed(0)} MB after 50`
      return { values: [after50 / after10], note, measured: resident }
    },
  },
  {
    name: 'parity',
    title: `greedy texts that part from llama-completion's, ${PROMPTS.length} prompts of ${TOKENS} tokens, threads 1 and more`,
    bar: { atMost: 0 },
    async measure({ tools, model, threads: most }) {
      const parted = []
      for (const threads of new Set([1, most])) {
        const common = { model, threads, prompts: PROMPTS, tokens: TOKENS, nCtx: CONTEXT }
        const texts = await ours('text', common)
        for (const [i, prompt] of PROMPTS.entries()) {
          const theirs = await llamaCompletion(tools, { model, prompt, flags: flagsFor(threads) })
          const parts = difference(texts[i], theirs.text)
          if (parts) parted.push({ prompt, threads, ...parts })
        }
      }
      const note = parted
        .map(({ prompt, at }) => `${JSON.stringify(prompt.slice(0, 20))} at ${at}`)
        .join(', ')
      return { values: [parted.length], note: note || 'all equal', measured: parted }
    },
  },
]
