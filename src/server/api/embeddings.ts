import { endianness } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { askedOf, type RouteCall } from './route.ts'
import { type EmbeddingRequest, readEmbeddingRequest } from './schema.ts'

/** Numbers that are written in one turn of the event loop. */
const TURN_NUMBERS = 16_384

/** `POST /v1/embeddings` */
export async function embeddings(call: RouteCall): Promise<Response> {
  const { exchange, pool } = call
  const asked = await askedOf(call, readEmbeddingRequest)
  const inputs = inputsOf(asked.input)
  const { id, model, release } = await pool.useEmbedder(asked.model || undefined, exchange.signal)
  exchange.uses(id, release)
  exchange.notePrompt(asked.input)
  const { embeddings, usage } = await model.embedInputs(inputs, {
    prefix: asked.prefix ?? undefined,
    dimensionality: asked.dimensions ?? undefined,
    signal: exchange.signal,
  })
  exchange.noteRead(usage.promptTokens)
  const write = asked.encoding_format === 'base64' ? base64 : numbers
  const counted = { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens }
  const body = await bodyOf(embeddings, write, { model: id, usage: counted }, exchange.signal)
  return new Response(body, { headers: { 'content-type': 'application/json' } })
}

function inputsOf(input: EmbeddingRequest['input']): readonly (string | Int32Array)[] {
  if (typeof input === 'string') return [input]
  const isOne = input.length > 0 && input.every((one) => typeof one === 'number')
  const all = isOne ? [input as readonly number[]] : (input as readonly (string | readonly number[])[])
  return all.map((one) => (typeof one === 'string' ? one : Int32Array.from(one)))
}

/** A long answer is written in turns: two thousand vectors take longer than others should wait. */
async function bodyOf(
  vectors: readonly Float32Array[],
  write: (vector: Float32Array) => string,
  rest: object,
  signal: AbortSignal,
): Promise<string> {
  const data: string[] = []
  let written = 0
  for (const [index, vector] of vectors.entries()) {
    data.push(`{"object":"embedding","index":${index},"embedding":${write(vector)}}`)
    written += vector.length
    if (written < TURN_NUMBERS) continue
    written = 0
    await nextTurn()
    signal.throwIfAborted()
  }
  return `{"object":"list","data":[${data.join(',')}],${JSON.stringify(rest).slice(1)}`
}

const numbers = (vector: Float32Array): string => `[${vector.join(',')}]`

/** Four bytes for each number, the lowest first. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.from(vector.slice().buffer)
  if (endianness() === 'BE') bytes.swap32()
  return `"${bytes.toString('base64')}"`
}
