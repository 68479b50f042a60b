// Drafting by lookup, on a text that is copied and on one that is not.
import { GPT4All } from '../../dist/index.js'
import { isFirst } from '../pairs.mjs'
import { promptOf } from '../prompts.mjs'
import { GREEDY } from './asking.mjs'

/** With copies enough, plain greedy copies it on SmolLM2's Q4_0 file; the job verifies that. */
const PARAGRAPH =
  'The river comes down from the hills and turns slowly through the old town. Children count the boats from the ' +
  'wall. The keeper of the lock writes each name into a book. His grandfather began it in the year of the flood. ' +
  'On market days the square is full before sunrise.\n\n'
/** What a copy begins with, so that it is clear what comes next. */
const BEGUN = 'The river comes down'
const WARM_UP = 24

/**
 * Greedy decode of a text that stands in the prompt before, with lookup: `{ depth, rates, proposed, accepted }`, tokens
 * per second of each repetition. Throws unless the text without lookup is that copy, and the one with it is the same.
 */
export async function copy({ model: file, threads, copies, tokens, repetitions }) {
  const model = await GPT4All.load(file, { nThreads: threads, parallel: 1 })
  const prompt = PARAGRAPH.repeat(copies) + BEGUN
  const options = { ...GREEDY, maxTokens: tokens + 1 }
  const plain = await model.generate(prompt, options).result
  const wanted = PARAGRAPH.repeat(copies + 1).slice(BEGUN.length)
  if (!wanted.startsWith(plain.text)) throw new Error(`plain greedy does not copy: ${plain.text}`)
  const runs = []
  for (let i = 0; i < repetitions; i++) {
    const run = await model.generate(prompt, { ...options, promptLookup: true }).result
    if (run.text !== plain.text) throw new Error(`with lookup it is another text: ${run.text}`)
    runs.push(run)
  }
  await model.close()
  const { proposedTokens: proposed, acceptedTokens: accepted } = runs.at(-1).timings
  const rates = runs.map((run) => (tokens / run.timings.completionMs) * 1000)
  return { depth: plain.usage.promptTokens, rates, proposed, accepted }
}

/** Stories at temperature 1, in pairs with the same seed: tokens per second with lookup (`ours`) and without. */
export async function story({ model: file, threads, tokens, pairs }) {
  const model = await GPT4All.load(file, { nThreads: threads, parallel: 1 })
  const options = { temp: 1, topK: 0, topP: 1, repeatPenalty: 1, maxTokens: tokens + 1 }
  const rate = async (variant, promptLookup) => {
    const prompt = await promptOf(model, 32, variant)
    const run = await model.generate(prompt, { ...options, promptLookup, seed: variant }).result
    if (run.tokens.length <= WARM_UP) return undefined
    return { rate: run.timings.tokensPerSecond, proposed: run.timings.proposedTokens }
  }
  await rate(0, false)
  const measured = []
  for (let variant = 1; measured.length < pairs && variant < 20 * pairs; variant++) {
    const sides = [true, false]
    const [first, second] = isFirst(measured.length) ? sides : sides.reverse()
    const made = { [first]: await rate(variant, first), [second]: await rate(variant, second) }
    if (!made[true] || !made[false]) continue
    measured.push({ ours: made[true].rate, theirs: made[false].rate, proposed: made[true].proposed })
  }
  await model.close()
  return measured
}
