// The rows against other libraries for Node.js. Each side of a pair is a process of its own; a peer's settings are
// tried first, and the row's note says which were its best.
import { installDependencies } from '../../scripts/dependencies.mjs'
import { inRoot } from '../../scripts/paths.mjs'
import { interleave, ratios, speeds } from '../pairs.mjs'
import { peer } from '../peers/programs.mjs'
import { median } from '../stats.mjs'

const DEPTH = 256
const DECODED = 64
const LONG_PAIRS = 5
const CONTEXT = 2048
const TURNS = 10
const CHATS = 8
const ANSWERED = 32
const SYSTEM = 'You are a helpful assistant.'
const NODE_LLAMA_CPP = 'node-llama-cpp'
const LLAMA_NODE = 'llama-node'
const GPT4ALL = 'gpt4all'
const GPT4ALL_PYTHON = 'gpt4all-python'

const middle = (runs, figure) => median(runs.map((run) => run[figure]))

/** What `measure` resolves with, or why the peer cannot be measured here. */
async function withPeer(name, options, measure) {
  let version
  try {
    await installDependencies(inRoot('bench'))
    version = (await peer(name, 'about', options)).version
  } catch (error) {
    const said = `${error.stderr ?? ''}\n${error.message}`.split('\n')
    return { skipped: `${name}: ${said.find((line) => /Error: /.test(line)) ?? error.message}` }
  }
  const { note, ...result } = await measure()
  return { ...result, note: `${name} ${version}, ${note}` }
}

/** Of `settings`, the one with which the peer's `figure` is best; one process each. */
async function best(name, job, settings, scoreOf) {
  const scores = []
  for (const setting of settings) scores.push(scoreOf(await peer(name, job, setting)))
  return settings[scores.indexOf(Math.max(...scores))]
}

const threadCounts = (most) => [...new Set([1, most])]
const combinations = (counts) =>
  counts.flatMap((threads) => [
    { threads, flash: true },
    { threads, flash: false },
  ])
/** Ours with and without flash attention. */
const own = (options) => [true, false].map((flash) => ({ ...options, flash }))
const threadsOf = (count) => `${count} ${count === 1 ? 'thread' : 'threads'}`
const told = ({ threads, flash }) => `${threadsOf(threads)}, flash attention ${flash ? 'on' : 'off'}`

/** One stream behind a prompt: `figure` of ours against that of a peer's best among `settingsOf(threads)`. */
const stream = ({ name, title, bar, against, figure, length, of, settingsOf, tell }) => ({
  name,
  title,
  bar,
  measure: ({ model, models, threads, pairs, repetitions, onPair }) => {
    const common = { model: of?.(models) ?? model, nCtx: CONTEXT, tokens: DECODED }
    return withPeer(against, { ...common, threads }, async () => {
      const wanted = { ...common, threads, count: repetitions, length }
      const prompts = await peer('ours', 'prompts', wanted)
      const settings = settingsOf(threads).map((setting) => ({ ...common, ...setting, prompts }))
      const score = (runs) => middle(runs, figure) * (figure === 'firstMs' ? -1 : 1)
      const theirs = settings.length === 1 ? settings[0] : await best(against, 'speed', settings, score)
      const mine = await best('ours', 'speed', own({ ...common, threads, prompts }), score)
      const measured = await interleave(
        pairs,
        async () => middle(await peer('ours', 'speed', mine), figure),
        async () => middle(await peer(against, 'speed', theirs), figure),
        onPair,
      )
      const unit = figure === 'firstMs' ? 'ms' : 'tokens/s'
      return {
        values: ratios(measured),
        note: `${tell(theirs)}; ours ${told(mine)}: ${speeds(measured, 'of theirs', unit)}`,
        measured,
      }
    })
  },
})

const decode = (row) => stream({ ...row, figure: 'decode', length: DEPTH })
const UNTIED = {
  against: GPT4ALL,
  of: (models) => models.untied,
  settingsOf: (most) => threadCounts(most).map((threads) => ({ threads })),
  tell: ({ threads }) => `${threadsOf(threads)}, batches of 512, the untied copy`,
}

/** Different messages for each chat and turn. */
const talksOf = (count) =>
  Array.from({ length: count }, (_, chat) =>
    Array.from(
      { length: TURNS },
      (_, turn) =>
        `Story ${chat + 1}, part ${turn + 1}: tell me what the keeper of the lock writes into the book about the boats today.`,
    ),
  )

/** Chats of TURNS turns, `count` at once: `figureOf` our answer against that of node-llama-cpp's best. */
const chats = ({ name, title, bar, count, figureOf }) => ({
  name,
  title,
  bar,
  measure: ({ model, threads, quick, onPair }) => {
    const common = { model, nCtx: CONTEXT, tokens: ANSWERED, system: SYSTEM, talks: talksOf(count) }
    return withPeer(NODE_LLAMA_CPP, { model, threads, nCtx: CONTEXT }, async () => {
      const settings = combinations(threadCounts(threads)).map((setting) => ({ ...common, ...setting }))
      const score = (run) => -figureOf(run)
      const theirs = await best(NODE_LLAMA_CPP, 'chats', settings, score)
      const mine = await best('ours', 'chats', own({ ...common, threads }), score)
      const ends = {}
      const side = async (program, options) => {
        const run = await peer(program, 'chats', options)
        ends[program] = run.ends
        return figureOf(run)
      }
      const measured = await interleave(
        quick ? 1 : LONG_PAIRS,
        () => side('ours', mine),
        () => side(NODE_LLAMA_CPP, theirs),
        onPair,
      )
      const counts = (program) =>
        `${middle(ends[program], 'answered')} tokens answered and ${middle(ends[program], 'depth')} deep`
      const lengths = `ours ${counts('ours')}, theirs ${counts(NODE_LLAMA_CPP)}`
      return {
        values: ratios(measured),
        note: `${told(theirs)}; ours ${told(mine)}: ${speeds(measured, 'of theirs', 'ms')}; a chat: ${lengths}`,
        measured,
      }
    })
  },
})

export const peers = [
  decode({
    name: 'peer-nlc',
    title: 'decode / node-llama-cpp at its better thread count',
    bar: { atLeast: 1.25 },
    against: NODE_LLAMA_CPP,
    settingsOf: (most) => combinations(threadCounts(most)),
    tell: told,
  }),
  decode({
    name: 'peer-nlc-threads',
    title: 'decode / node-llama-cpp with as many threads',
    bar: { atLeast: 1.5 },
    against: NODE_LLAMA_CPP,
    settingsOf: (most) => combinations([most]),
    tell: told,
  }),
  decode({
    name: 'peer-llama-node',
    title: 'decode / @fugood/llama.node as installed',
    bar: { atLeast: 1.5 },
    against: LLAMA_NODE,
    settingsOf: () => [{}],
    tell: () => 'its own defaults',
  }),
  decode({
    ...UNTIED,
    name: 'peer-gpt4all',
    title: 'decode / gpt4all of npm',
    bar: { atLeast: 1 },
  }),
  stream({
    ...UNTIED,
    name: 'peer-gpt4all-first',
    title: 'time to the first token of a prompt of 261 tokens / gpt4all of npm',
    bar: { atMost: 0.8 },
    figure: 'firstMs',
    length: 261,
  }),
  decode({
    ...UNTIED,
    against: GPT4ALL_PYTHON,
    name: 'peer-gpt4all-python',
    title: 'decode / gpt4all of Python',
    bar: { atLeast: 1 },
  }),
  chats({
    name: 'peer-chats',
    title: `${CHATS} chats of ${TURNS} turns at once, wall time / node-llama-cpp with ${CHATS} sequences`,
    bar: { atMost: 0.6 },
    count: CHATS,
    figureOf: (run) => run.ms,
  }),
  chats({
    name: 'peer-turn',
    title: `time to the first token of turn ${TURNS} of a chat / node-llama-cpp's LlamaChatSession`,
    bar: { atMost: 0.7 },
    count: 1,
    figureOf: (run) => run.ends[0].firstMs,
  }),
]
