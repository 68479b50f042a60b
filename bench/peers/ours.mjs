// Our side beside the other libraries: see answer.mjs. It uses the package as a user would: its public entry, built.
import { GPT4All } from '../../dist/index.js'
import { promptOf } from '../prompts.mjs'
import { answer, stopwatch } from './answer.mjs'

const GREEDY = { temp: 0, repeatPenalty: 1 }
const MOST_VARIANTS = 200

await answer({ prompts, speed, chats })

function open({ model, threads, flash = 'auto', nCtx, parallel }) {
  const options = { nThreads: threads, flashAttention: flash, nCtx, parallel, device: 'cpu' }
  return GPT4All.load(model, options)
}

/** `count` different prompts of `length` tokens, of which the model answers each with `tokens` tokens or more. */
async function prompts({ count, length, tokens, ...options }) {
  const model = await open(options)
  const found = []
  for (let variant = 0; found.length < count && variant < MOST_VARIANTS; variant++) {
    const text = await promptOf(model, length, variant)
    const { usage } = await model.generate(text, { ...GREEDY, maxTokens: tokens }).result
    if (usage.completionTokens === tokens) found.push(text)
  }
  if (found.length < count) throw new Error(`the model ends its answers before ${tokens} tokens`)
  return found
}

/** `{ promptTokens, firstMs, decode }` of each prompt, after the first one once more to warm up. */
async function speed({ prompts, tokens, ...options }) {
  const model = await open(options)
  const runs = []
  for (const [i, prompt] of [prompts[0], ...prompts].entries()) {
    // The one that warms up begins like the one behind it, of which nothing must be cached.
    const text = i === 0 ? `So ${prompt}` : prompt
    const watch = stopwatch()
    const { usage } = await model.generate(text, { ...GREEDY, maxTokens: tokens, callback: watch.token })
      .result
    if (i > 0 && usage.cachedTokens > 1) throw new Error('the prompt was cached')
    if (i > 0 || usage.completionTokens === tokens)
      runs.push({ promptTokens: usage.promptTokens, ...watch.done(tokens) })
  }
  return runs.slice(-prompts.length)
}

/**
 * All chats at once, each through its messages, after one that warms up: wall time in ms, the ms to the first token
 * of each chat's last turn, and the tokens answered.
 */
async function chats({ system, talks, tokens, ...options }) {
  const model = await open({ ...options, parallel: talks.length })
  const talk = async (systemPrompt, messages) => {
    const session = model.chatSession({ systemPrompt })
    let answered = 0
    let firstMs
    let depth
    for (const message of messages) {
      const started = performance.now()
      firstMs = undefined
      const callback = () => {
        firstMs ??= performance.now() - started
      }
      const { usage } = await session.generate(message, { ...GREEDY, maxTokens: tokens, callback }).result
      answered += usage.completionTokens
      depth = usage.promptTokens + usage.completionTokens
    }
    await session.close()
    return { firstMs, answered, depth }
  }
  await talk('Warm up.', talks[0].slice(0, 2))
  const started = performance.now()
  const ends = await Promise.all(talks.map((messages) => talk(system, messages)))
  const ms = performance.now() - started
  return { ms, ends }
}
