// How the jobs of our side ask: plain generations, and when their tokens came.
import { promptOf } from '../prompts.mjs'

export const GREEDY = { temp: 0, repeatPenalty: 1 }
/** Texts that are tried until one is long enough. */
const MOST_TRIES = 20

/** The times at which the tokens of `model.generate(prompt, options)` come, filled in meanwhile, and its `result`. */
export function listen(model, prompt, options) {
  const times = []
  const { result } = model.generate(prompt, {
    ...options,
    callback: () => {
      times.push(performance.now())
    },
  })
  return { times, result }
}

/** Prompts of `tokens` tokens each, `count` of them; those of another `round` are others. */
export async function promptsOf(model, tokens, count, round) {
  const prompts = []
  for (let i = 0; i < count; i++) prompts.push(await promptOf(model, tokens, round * count + i))
  return prompts
}

/** What `attempt(round)` resolves with, in the first round in which that is not undefined: a model may end a text. */
export async function firstOf(attempt, from = 0) {
  for (let round = from; round < from + MOST_TRIES; round++) {
    const made = await attempt(round)
    if (made !== undefined) return { made, next: round + 1 }
  }
  throw new Error('the model ends its answers too soon')
}
