import type { ResolvedRankOptions } from '../options/embed.ts'
import type { Batches } from './batches.ts'
import { asCaller } from './caller.ts'
import type { EmbedHooks } from './embedding.ts'
import type { PairPrompts } from './pairs.ts'

/** The score of each document, in their order, and the tokens of all prompts. */
export type DocumentScores = { readonly scores: readonly number[]; readonly tokens: number }

/** What a loaded model ranks with. */
export type RankingParts = { readonly prompts: PairPrompts; readonly batches: Batches }

/** Scores `documents` for `query`; equal documents are computed once. */
export async function scoreDocuments(
  { prompts, batches }: RankingParts,
  query: string,
  documents: readonly string[],
  { longTextMode }: Pick<ResolvedRankOptions, 'longTextMode'>,
  { signal, onTexts }: Pick<EmbedHooks, 'signal' | 'onTexts'>,
): Promise<DocumentScores> {
  return asCaller(batches, signal, async ({ caller, signal, failWith }) => {
    const scores = new Array<number>(documents.length)
    let tokens = 0
    const known = new Map<string, { readonly tokens: number; readonly score: Promise<number> }>()
    const computing: Promise<void>[] = []
    for (const [index, document] of documents.entries()) {
      signal.throwIfAborted()
      let one = known.get(document)
      if (!one) {
        const prompt = await prompts.tokens(query, document, index, longTextMode === 'truncate', signal)
        const score = batches.compute(caller, prompt).then((vector) => vector[0]!)
        one = { tokens: prompt.length, score }
        known.set(document, one)
      }
      tokens += one.tokens
      const done = one.score.then((score) => {
        scores[index] = score
        onTexts(1)
      })
      failWith(done)
      computing.push(done)
      await batches.room(caller)
    }
    await Promise.all(computing)
    return { scores, tokens }
  })
}
