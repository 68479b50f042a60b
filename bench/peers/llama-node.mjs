// @fugood/llama.node: see answer.mjs. `threads` and `flash` left out are what the package does as installed.
import { readFileSync } from 'node:fs'
import { loadModel } from '@fugood/llama.node'
import { answer, stopwatch } from './answer.mjs'

await answer({ about, speed })

function open({ model, threads, flash, nCtx }) {
  return loadModel({ model, n_threads: threads, flash_attn_type: flash, n_ctx: nCtx, n_gpu_layers: 0 })
}

async function about(options) {
  await open(options)
  const { version } = JSON.parse(
    readFileSync(new URL('../node_modules/@fugood/llama.node/package.json', import.meta.url), 'utf8'),
  )
  return { version }
}

/** `{ promptTokens, firstMs, decode }` of each prompt, after the first one once more to warm up. */
async function speed({ prompts, tokens, ...options }) {
  const context = await open(options)
  const runs = []
  for (const [i, prompt] of [prompts[0], ...prompts].entries()) {
    // The one that warms up begins like the one behind it, of which nothing must be cached.
    const text = i === 0 ? `So ${prompt}` : prompt
    const watch = stopwatch()
    const { timings } = await context.completion(
      { prompt: text, n_predict: tokens, ignore_eos: true, temperature: 0, penalty_repeat: 1 },
      watch.token,
    )
    // At times it counts one token less than it was asked for.
    const made = timings.predicted_n
    const wanted = made === tokens - 1 ? made : tokens
    if (i > 0) runs.push({ promptTokens: timings.prompt_n, ...watch.done(wanted, made) })
  }
  return runs
}
