// node-llama-cpp: see answer.mjs. Plain prompts go through `sequence.evaluate()`, which is less work than its
// LlamaCompletion; chats are LlamaChatSessions.
import { readFileSync } from 'node:fs'
import { getLlama, LlamaChatSession } from 'node-llama-cpp'
import { answer, stopwatch } from './answer.mjs'

await answer({ about, speed, chats })

async function open({ model: modelPath, threads, flash, nCtx, sequences = 1 }) {
  // maxThreads 0: the contexts have exactly the threads that they are given.
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 0 })
  const model = await llama.loadModel({ modelPath })
  const context = await model.createContext({ contextSize: nCtx, sequences, threads, flashAttention: flash })
  return { model, context }
}

async function about(options) {
  await open(options)
  const { version } = JSON.parse(
    readFileSync(new URL('../node_modules/node-llama-cpp/package.json', import.meta.url), 'utf8'),
  )
  return { version }
}

/** `{ promptTokens, firstMs, decode }` of each prompt, after the first one once more to warm up. */
async function speed({ prompts, tokens, ...options }) {
  const { model, context } = await open(options)
  const sequence = context.getSequence()
  const runs = []
  for (const prompt of [prompts[0], ...prompts]) {
    await sequence.clearHistory()
    const watch = stopwatch()
    const ids = model.tokenize(prompt, true)
    let count = 0
    for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
      watch.token()
      if (++count === tokens) break
    }
    runs.push({ promptTokens: ids.length, ...watch.done(tokens) })
  }
  return runs.slice(1)
}

/**
 * All chats at once, each through its messages, after one that warms up: wall time in ms, the ms to the first token
 * of each chat's last turn, and the tokens answered.
 */
async function chats({ system, talks, tokens, ...options }) {
  const { context } = await open({ ...options, sequences: talks.length })
  const sequences = talks.map(() => context.getSequence())
  const talk = async (contextSequence, messages) => {
    const session = new LlamaChatSession({ contextSequence, systemPrompt: system })
    let answered = 0
    let firstMs
    for (const message of messages) {
      const started = performance.now()
      firstMs = undefined
      await session.prompt(message, {
        ...{ maxTokens: tokens, temperature: 0, repeatPenalty: false, trimWhitespaceSuffix: false },
        onToken: (ids) => {
          firstMs ??= performance.now() - started
          answered += ids.length
        },
      })
    }
    session.dispose()
    return { firstMs, answered, depth: contextSequence.nextTokenIndex }
  }
  await talk(sequences[0], talks[0].slice(0, 2))
  await sequences[0].clearHistory()
  const started = performance.now()
  const ends = await Promise.all(talks.map((messages, i) => talk(sequences[i], messages)))
  const ms = performance.now() - started
  return { ms, ends }
}
