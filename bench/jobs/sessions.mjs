// A conversation that comes back from a file: with its part of the cache, and evaluated anew.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GPT4All } from '../../dist/index.js'
import { interleave } from '../pairs.mjs'
import { promptOf } from '../prompts.mjs'
import { GREEDY } from './asking.mjs'

const NEXT = 'Go on.'

/**
 * From `chatSession({ restore })` to the first token of its next turn, ms, of a conversation of about `tokens` tokens: with its state
 * (`ours`) and without. Also how many tokens of the prompt were evaluated,
 * and how many (`live`) where the session itself goes on.
 */
export async function restore({ model: file, threads, tokens, pairs }) {
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-bench-'))
  // One place, and no memory beside it: whoever comes finds nothing of who was there before.
  const model = await GPT4All.load(file, { nThreads: threads, parallel: 1, cacheMemory: 0 })
  const [withState, without] = [join(folder, 'state'), join(folder, 'history')]
  try {
    const session = model.chatSession()
    await session.generate(await promptOf(model, tokens), { ...GREEDY, maxTokens: 32 })
    const saved = await session.save(withState, { state: true })
    await session.save(without)
    const evaluatedOf = ({ promptTokens, cachedTokens }) => promptTokens - cachedTokens
    const live = await session.generate(NEXT, { ...GREEDY, maxTokens: 1 }).result
    const other = await promptOf(model, 64)
    const evaluated = []
    const texts = new Set([live.text])
    const time = (path) => async () => {
      await model.generate(`Somebody else. ${other}`, { ...GREEDY, maxTokens: 1 })
      const started = performance.now()
      const restored = model.chatSession({ restore: path })
      const { text, usage } = await restored.generate(NEXT, { ...GREEDY, maxTokens: 1 }).result
      texts.add(text)
      if (path === withState) evaluated.push(evaluatedOf(usage))
      return performance.now() - started
    }
    const measured = await interleave(pairs, time(withState), time(without))
    return {
      measured,
      evaluated: Math.max(...evaluated),
      live: evaluatedOf(live.usage),
      saved,
      texts: [...texts],
    }
  } finally {
    await model.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
