/** A body that may take long to read: its path, and what it is. */
export type Shape = { readonly name: string; readonly path: string; readonly body: string | Uint8Array }

type Fill = {
  readonly head: string
  readonly piece: string | ((i: number) => string)
  readonly tail: string
  /** Of the pieces, how many fit just under the limit of parts, of which each has so many; 0 where that is none of it. */
  readonly parts: number
}

const CHAT = '/v1/chat/completions'
const COMPLETION = '/v1/completions'
const ASKED = '"max_tokens":1,"messages":[{"role":"user","content":"Hi"}]'
const MOST_PARTS = 20_000
const MOST_NUMBERS = 200_000

/** Names that V8 keeps in a hash table. */
const sparse = (i: number) => (i * 7919) % 4_294_967_291

const lists: Readonly<Record<string, readonly [string, Fill]>> = {
  'prompt of numbers': [COMPLETION, { head: '{"prompt":[', piece: '7000000', tail: ']}', parts: 0 }],
  'prompt of decimals': [COMPLETION, { head: '{"prompt":[', piece: '1.1', tail: ']}', parts: 0 }],
  'prompt of large numbers': [COMPLETION, { head: '{"prompt":[', piece: '1.79e308', tail: ']}', parts: 0 }],
  'prompt that is wrong at its end': [
    COMPLETION,
    { head: '{"prompt":[', piece: '1', tail: ',"x"]}', parts: 0 },
  ],
  'prompt of texts': [COMPLETION, { head: '{"prompt":[', piece: '"a"', tail: ']}', parts: 1 }],
  'prompt of lists': [COMPLETION, { head: '{"prompt":[', piece: '[1]', tail: ']}', parts: 1 }],
  'prompt of objects': [COMPLETION, { head: '{"prompt":[', piece: '{}', tail: ']}', parts: 1 }],
  messages: [CHAT, { head: '{"messages":[', piece: '{"role":"user","content":""}', tail: ']}', parts: 5 }],
  'messages that are wrong': [CHAT, { head: '{"messages":[', piece: '{}', tail: ']}', parts: 1 }],
  'messages that are numbers': [CHAT, { head: '{"messages":[', piece: '1', tail: ']}', parts: 0 }],
  'parts of a message': [
    CHAT,
    {
      head: '{"messages":[{"role":"user","content":[',
      piece: '{"type":"text","text":"a"}',
      tail: ']}]}',
      parts: 5,
    },
  ],
  'parts, the last one wrong': [
    CHAT,
    {
      head: '{"messages":[{"role":"user","content":[',
      piece: '{"type":"text","text":"a"}',
      tail: ',{}]}]}',
      parts: 5,
    },
  ],
  'tool calls': [
    CHAT,
    { head: '{"messages":[{"role":"user","content":"a","tool_calls":[', piece: '{}', tail: ']}]}', parts: 1 },
  ],
  tools: [CHAT, { head: `{${ASKED},"tools":[`, piece: '{}', tail: ']}', parts: 1 }],
  'unknown names': [CHAT, { head: `{${ASKED},`, piece: (i) => `"k${i}":0`, tail: '}', parts: 1 }],
  'unknown names of a message': [
    CHAT,
    { head: '{"messages":[{"role":"user","content":"a",', piece: (i) => `"k${i}":0`, tail: '}]}', parts: 1 },
  ],
  'names that are numbers': [
    CHAT,
    { head: `{${ASKED},`, piece: (i) => `"${sparse(i)}":0`, tail: '}', parts: 1 },
  ],
  'one name again and again': [CHAT, { head: `{${ASKED},`, piece: '"temperature":1', tail: '}', parts: 1 }],
  'names without effect': [
    CHAT,
    { head: `{${ASKED},"metadata":{`, piece: (i) => `"k${i}":0`, tail: '}}', parts: 1 },
  ],
  'objects without effect': [
    CHAT,
    { head: `{${ASKED},"metadata":[`, piece: (i) => `{"k${i}":0}`, tail: ']}', parts: 2 },
  ],
  'lists without effect': [CHAT, { head: `{${ASKED},"metadata":[`, piece: '[1]', tail: ']}', parts: 1 }],
  'texts without effect': [
    CHAT,
    { head: `{${ASKED},"metadata":[`, piece: (i) => `"${i.toString(36)}"`, tail: ']}', parts: 1 },
  ],
  'decimals without effect': [CHAT, { head: `{${ASKED},"metadata":[`, piece: '1.1', tail: ']}', parts: 0 }],
  biases: [CHAT, { head: `{${ASKED},"logit_bias":{`, piece: (i) => `"${i}":0`, tail: '}}', parts: 1 }],
  'biases far apart': [
    CHAT,
    { head: `{${ASKED},"logit_bias":{`, piece: (i) => `"${sparse(i)}":0`, tail: '}}', parts: 1 },
  ],
  'biases of no tokens': [
    CHAT,
    { head: `{${ASKED},"logit_bias":{`, piece: (i) => `"k${i}":0`, tail: '}}', parts: 1 },
  ],
  'stop texts': [CHAT, { head: `{${ASKED},"stop":[`, piece: '"a"', tail: ']}', parts: 1 }],
  'options of streams': [
    CHAT,
    { head: `{${ASKED},"stream_options":{`, piece: (i) => `"k${i}":0`, tail: '}}', parts: 1 },
  ],
  'arguments of templates': [
    CHAT,
    { head: `{${ASKED},"chat_template_kwargs":{`, piece: (i) => `"k${i}":0`, tail: '}}', parts: 1 },
  ],
  modalities: [CHAT, { head: `{${ASKED},"modalities":[`, piece: '"text"', tail: ']}', parts: 1 }],
}

/** Of so many bytes, and of as many pieces as the server takes at most. */
function filled({ head, piece, tail, parts }: Fill, bytes: number): readonly [string, string] {
  const pieces: string[] = []
  let length = head.length + tail.length
  for (let i = 0; ; i++) {
    const next = typeof piece === 'string' ? piece : piece(i)
    length += next.length + 1
    if (length > bytes) break
    pieces.push(next)
  }
  const most = parts === 0 ? MOST_NUMBERS : Math.floor((MOST_PARTS - 30) / parts)
  return [pieces, pieces.slice(0, most)].map((all) => `${head}${all.join()}${tail}`) as [string, string]
}

const say = (content: string) => `{"max_tokens":1,"messages":[{"role":"user","content":"${content}"}]}`

/** Long texts of about so many bytes. */
function texts(bytes: number): Readonly<Record<string, readonly [string, string | Uint8Array]>> {
  const full = (text: string) => text.repeat(Math.floor((bytes - 200) / Buffer.byteLength(text)))
  const deep = (open: string, close: string) => open.repeat(bytes / 20) + close.repeat(bytes / 20)
  return {
    words: [COMPLETION, `{"prompt":"${full('a ')}"}`],
    escapes: [COMPLETION, `{"prompt":"${full('\\u0041')}"}`],
    'escaped pairs': [COMPLETION, `{"prompt":"${full('\\ud83d\\ude00')}"}`],
    emoji: [COMPLETION, `{"prompt":"${full('😀')}"}`],
    'long number': [COMPLETION, `{"prompt":[${full('1')}]}`],
    'long decimal': [COMPLETION, `{"prompt":[0.${full('1')}]}`],
    'lists inside each other': [CHAT, `{${ASKED},"metadata":${deep('[', ']')}}`],
    'objects inside each other': [CHAT, `{${ASKED},"metadata":${deep('{"a":', '}')}1}`],
    'lists that never end': [CHAT, `{"messages":${full('[')}`],
    'long name': [CHAT, `{${ASKED},"${full('a')}":1}`],
    'long name of a bias': [CHAT, `{${ASKED},"logit_bias":{"${full('1')}":0}}`],
    'long name of a model': [CHAT, `{${ASKED},"model":"${full('a')}"}`],
    'long role': [CHAT, `{"messages":[{"role":"${full('a')}","content":"x"}]}`],
    'long stop text': [CHAT, `{${ASKED},"stop":"${full('a')}"}`],
    nothing: [CHAT, full(' ')],
    'no JSON': [CHAT, full('a')],
    'JSON that is cut': [CHAT, `{"messages":"${full('a')}`],
    'no UTF-8': [CHAT, Buffer.alloc(bytes, 0xc3)],
    'no UTF-8 at its end': [
      CHAT,
      Buffer.concat([Buffer.from(`{"prompt":"${full('é')}`), Buffer.from([0xff])]),
    ],
    'chat: words': [CHAT, say(full('word '))],
    'chat: control tokens': [CHAT, say(full('<|im_end|>'))],
    'chat: <': [CHAT, say(full('<'))],
    'chat: private use': [CHAT, say(full('\ue000'))],
  }
}

/** Of about so many bytes each, or of as many parts as the server takes. */
export function* bodyShapes(bytes: number): Generator<Shape, void, void> {
  for (const [name, [path, fill]] of Object.entries(lists)) {
    const [many, most] = filled(fill, bytes)
    yield { name: `${name}, full`, path, body: many }
    if (most.length < many.length) yield { name: `${name}, as many as may be`, path, body: most }
  }
  for (const [name, [path, body]] of Object.entries(texts(bytes))) yield { name, path, body }
}
