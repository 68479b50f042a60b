/** A request that no server should take. */
export type Malformed = {
  readonly kind: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

const CHAT = '/v1/chat/completions'
const TEXT = '/v1/completions'
const messages = [{ role: 'user', content: 'hello' }]

const NUMBERS = [
  ...['temperature', 'top_p', 'top_k', 'min_p', 'repeat_penalty', 'repeat_last_n', 'presence_penalty'],
  ...['frequency_penalty', 'max_tokens', 'max_completion_tokens', 'n', 'seed', 'top_logprobs'],
]
/** Never right for a number. */
const NO_NUMBERS = [
  '"1"',
  'true',
  '[]',
  '{}',
  '[1]',
  '1e400',
  '-1e400',
  '1e308',
  '"NaN"',
  '-1e30',
  '0.5e-400e',
]
const STRUCTURES: Readonly<Record<string, readonly string[]>> = {
  messages: [
    'null',
    '{}',
    '"x"',
    '[]',
    '[null]',
    '[[]]',
    '[{}]',
    '[{"role":"user"}]',
    '[{"role":7,"content":"x"}]',
  ],
  stop: ['7', '{}', '[7]', '[["x"]]', `"${'x'.repeat(5000)}"`],
  stream: ['"true"', '1', '{}'],
  stream_options: ['7', '{"include_usage":"yes"}', '"x"'],
  logit_bias: ['7', '[1]', '{"x":1}', '{"1":"x"}', '{"1":1e9}', '{"99999999999":1}'],
  logprobs: ['"x"', '7', '{}'],
  model: ['7', '[]', '{}', '"../../etc/passwd"', '"\\u0000"', `"${'m'.repeat(100_000)}"`],
  tools: ['[{}]', '{}', '7'],
  response_format: ['{"type":"json_schema"}', '7', '"json"'],
  chat_template_kwargs: ['{"enable_thinking":"no"}', '7'],
}

/** `count` of them, all different in kind or detail. */
export function malformed(count: number, random: () => number, maxBodyBytes: number): Malformed[] {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  const json = { 'content-type': 'application/json' }
  const withField = (name: string, value: string) => {
    const others = name === 'messages' ? '' : `"messages":${JSON.stringify(messages)},`
    return `{${others}"max_tokens":2,"${name}":${value}}`
  }
  const valid = JSON.stringify({ messages, max_tokens: 2 })
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))
  const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)
  const kinds: Readonly<Record<string, () => Omit<Malformed, 'kind'>>> = {
    'a number that is none': () => ({
      path: CHAT,
      headers: json,
      body: withField(pick(NUMBERS), pick(NO_NUMBERS)),
    }),
    'a structure that is wrong': () => {
      const name = pick(Object.keys(STRUCTURES))
      return { path: CHAT, headers: json, body: withField(name, pick(STRUCTURES[name]!)) }
    },
    'a prompt that is none': () => ({
      path: TEXT,
      headers: json,
      body: `{"prompt":${pick(['7', '{}', '[]', '[{}]', '[1.5]', '[-1]', '[["x"]]', '[1e99]'])}}`,
    }),
    'JSON that is cut off': () => ({
      path: CHAT,
      headers: json,
      body: valid.slice(0, Math.floor(random() * valid.length)),
    }),
    'JSON with a strange sign': () => {
      const at = 1 + Math.floor(random() * 8)
      return {
        path: CHAT,
        headers: json,
        body: `${valid.slice(0, at)}${pick(['\u0001', '\\', "'", '@'])}${valid.slice(at)}`,
      }
    },
    'no object': () => ({
      path: pick([CHAT, TEXT]),
      headers: json,
      body: pick(['[]', '7', '"x"', 'null', 'true', '']),
    }),
    'deep nesting': () => {
      const depth = 1000 + Math.floor(random() * 100_000)
      const value = pick([nested(depth, '[', ']'), `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`])
      return {
        path: CHAT,
        headers: json,
        body: withField(pick(['messages', 'stop', 'logit_bias', 'tools']), value),
      }
    },
    'bad UTF-8': () => ({
      path: CHAT,
      headers: json,
      body: bytes(
        '{"messages":[{"role":"user","content":"',
        pick([[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88]]),
        '"}]}',
      ),
    }),
    'another encoding': () => {
      const name = pick(['utf-16', 'iso-8859-1', 'shift_jis'])
      return { path: CHAT, headers: { 'content-type': `application/json; charset=${name}` }, body: valid }
    },
    'UTF-16 without a word': () => ({ path: CHAT, headers: json, body: Buffer.from(valid, 'utf16le') }),
    'an encoded body': () => ({
      path: CHAT,
      headers: { ...json, 'content-encoding': pick(['gzip', 'br', 'x']) },
      body: valid,
    }),
    'a form': () => ({
      path: CHAT,
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x--',
    }),
    'too large': () => ({
      path: CHAT,
      headers: json,
      body: JSON.stringify({
        messages: [{ role: 'user', content: 'x'.repeat(maxBodyBytes + Math.floor(random() * 1000)) }],
      }),
    }),
    'too long for the context': () => ({
      path: pick([CHAT, TEXT]),
      headers: json,
      body: JSON.stringify({ messages: [{ role: 'user', content: 'one two three '.repeat(3000) }] }),
    }),
    'no such path': () => ({
      path: pick(['/', '/v1', '/v1/chat', '/v1/embeddings', '/v1/models/x', '/%00']),
      headers: json,
      body: valid,
    }),
  }
  const names = Object.keys(kinds)
  return Array.from({ length: count }, (_, i) => {
    const kind = names[i % names.length]!
    return { kind, ...kinds[kind]!() }
  })
}
