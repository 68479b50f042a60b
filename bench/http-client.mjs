// A client of a server with OpenAI's API, ours or llama.cpp's: it streams, and notes when the pieces come.

/** Fields that make every server choose the same, greedily, and go on to `max_tokens`. */
export const request = ({ prompt, tokens, bannedTokens }) => ({
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: prompt },
  ],
  max_tokens: tokens,
  temperature: 0,
  repeat_penalty: 1,
  logit_bias: Object.fromEntries(bannedTokens.map((token) => [token, -100])),
  stream: true,
  stream_options: { include_usage: true },
})

/** Streams one answer: `{ tokens, times }`, ms of each event with text. `onPiece` may return false to go away. */
export async function stream(url, body, onPiece = () => true) {
  const leaving = new AbortController()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    // A connection of its own: llama-server ends those that it keeps after 100 requests, whoever is about to use them.
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(body),
    signal: leaving.signal,
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  const times = []
  let tokens = 0
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      if (!block.startsWith('data: {')) continue
      const { choices, usage } = JSON.parse(block.slice('data: '.length))
      if (usage) tokens = usage.completion_tokens
      if (!choices[0]?.delta?.content) continue
      times.push(performance.now())
      if (onPiece(times.length) === false) {
        leaving.abort()
        return { tokens, times }
      }
    }
  }
  return { tokens, times }
}

/** Tokens per second of one answer, from its first piece to its last. */
export function rateOf({ tokens, times }) {
  return ((tokens - 1) / (times.at(-1) - times[0])) * 1000
}

/** Each of `clients` asks for `each` answers, one after another; resolves with all their tokens, and the ms it took. */
export async function load(url, { clients, each, bodyOf }) {
  const started = performance.now()
  let tokens = 0
  const client = async (_, index) => {
    for (let i = 0; i < each; i++) {
      const made = await stream(url, bodyOf(index * each + i)) // others count meanwhile
      tokens += made.tokens
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { tokens, ms: performance.now() - started }
}
