// Products by kernels of our own (native/tuning/matmul.cc) against ggml's, in one process and on one model.
import { createRequire } from 'node:module'
import { GPT4All } from '../../dist/index.js'
import { inRoot } from '../../scripts/paths.mjs'
import { interleave } from '../pairs.mjs'
import { promptOf } from '../prompts.mjs'
import { GREEDY } from './asking.mjs'
import { rater } from './streams.mjs'

/** The same instance that the package loads. */
const binding = createRequire(import.meta.url)(
  process.env.GPT4ALL_BINDING ?? inRoot('build/Release/gpt4all.node'),
)

/**
 * Pairs of tokens per second with our kernels and with ggml's: `{ prompt, one, several }`, of a prompt of `prompt` tokens, and of
 * the decode of one stream and of `count` at once. `undefined` where there are none for this processor.
 */
export async function kernels({ model: file, threads, pairs, prompt, count, nCtx, begun, tokens }) {
  const best = binding.kernels().at(-1)
  if (best === 'ggml') return undefined
  const model = await GPT4All.load(file, { nThreads: threads, nCtx, parallel: count })
  const next = rater(model, { prompt: begun, tokens })
  let variant = 0
  const rates = {
    prompt: async () => {
      const text = await promptOf(model, prompt, variant++)
      const { timings } = await model.generate(text, { ...GREEDY, maxTokens: 1 }).result
      return timings.promptTokensPerSecond
    },
    one: () => next(1),
    several: () => next(count),
  }
  const measured = {}
  for (const [name, rate] of Object.entries(rates)) {
    await rate()
    const side = (own) => () => {
      binding.useKernels(own ? best : 'ggml')
      return rate()
    }
    measured[name] = await interleave(pairs, side(true), side(false))
  }
  await model.close()
  return measured
}
