import { askedOf, type RouteCall } from './route.ts'
import { type RankRequest, readRankRequest } from './schema.ts'

/** `POST /v1/rerank`: Jina's form, which Cohere's clients read too, or that of Text Embeddings Inference. */
export async function rerank(call: RouteCall): Promise<Response> {
  const { exchange, pool } = call
  const asked = await askedOf(call, readRankRequest)
  const { query, texts, top_n, truncate } = asked
  const documents = asked.documents ?? texts!
  const { id, model, release } = await pool.useRanker(asked.model || undefined, exchange.signal)
  exchange.uses(id, release)
  exchange.notePrompt({ query, documents })
  const { ranked, promptTokens } = await model.rankCounted(query, documents.map(textOf), {
    topN: top_n ?? undefined,
    longTextMode: truncate === false ? 'error' : 'truncate',
    signal: exchange.signal,
  })
  exchange.noteRead(promptTokens)
  if (texts) {
    const text = (index: number) => asked.return_text && { text: texts[index] }
    return Response.json(ranked.map(({ index, score }) => ({ index, score, ...text(index) })))
  }
  const document = (index: number) => asked.return_documents && { document: asObject(documents[index]!) }
  return Response.json({
    id: exchange.id,
    model: id,
    object: 'list',
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    results: ranked.map(({ index, score }) => ({ index, relevance_score: score, ...document(index) })),
    meta: { tokens: { input_tokens: promptTokens } }, // Cohere's clients want it
  })
}

type Document = NonNullable<RankRequest['documents']>[number]

const textOf = (document: Document): string => (typeof document === 'string' ? document : document.text)

const asObject = (document: Document) => (typeof document === 'string' ? { text: document } : document)
