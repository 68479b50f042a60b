// What bench/server-parity.mjs asks llama-server and us, test/parity/server.test.mjs asks us alone, and with which
// parameters on either side.
import { embeddedModel, realModel } from '../scripts/paths.mjs'
import { CONTEXT, TOKENS } from './greedy.mjs'

const BATCH = 512

/** Options of `GPT4All.load()` and llama-server's flags for the same; it has several slots unless told otherwise. */
export const LOAD = { nThreads: 1, nCtx: CONTEXT, device: 'cpu' }
export const SERVER_FLAGS = [
  ...['--jinja', '--offline', '--parallel', 1, '--fit', 'off', '--device', 'none', '--ctx-size', CONTEXT],
  ...['--threads', 1, '--threads-batch', 1, '--flash-attn', 'auto'],
  ...['--batch-size', BATCH, '--ubatch-size', BATCH],
].map(String)

/** Options of `session.generate()` and the fields of a request for the same; its other samplers change nothing at 0. */
export const GENERATE = { temp: 0, repeatPenalty: 1, maxTokens: TOKENS }
export const REQUEST = { temperature: 0, repeat_penalty: 1, max_tokens: TOKENS, cache_prompt: false }

const system = (content) => ({ role: 'system', content })
/** What the user and the model say in turn, the user first. */
const talk = (...contents) =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

/** The logits of the two best tokens are nowhere closer than 0.02: where they all but tie, a text parts by chance. */
const REAL = [
  talk('What is the capital of France, and what is it known for?'),
  talk('Write a short story about a lighthouse keeper who finds a letter.'),
  [system('You are a pirate. Answer in the way pirates speak.'), ...talk('Tell me about your ship.')],
  talk(
    'My name is Ada and I live in Lisbon.',
    'Nice to meet you, Ada! How can I help you today?',
    'Where do I live, and what could I do there on a Sunday?',
  ),
  [
    system('You are a patient teacher of mathematics.'),
    ...talk(
      'What is a prime number?',
      'A prime number has exactly two divisors: one and itself.',
      'Is 15 one?',
      'No: 15 is 3 times 5.',
      'Name the first five of them, and say why each is one.',
    ),
  ],
  talk(
    'Write a function in Python that counts the words of a text:\n\n```python\ndef count_words(text):\n```',
  ),
  talk('Erkläre mir in zwei Sätzen, warum der Himmel blau ist. 🌍'),
]

/** Questions that the embedded model answers without doubt (3.5 and more): other kernels give the same texts. */
const EMBEDDED = [
  talk('What is the capital of France?'),
  talk('Count from 1 to 20.'),
  talk('Say it with emoji: I love cats'),
  talk('Give me a JSON object with name and age for Ada, 36.'),
  [system('Answer in upper case.'), ...talk('What is the capital of Italy?')],
  [system('You are a pirate.'), ...talk('Who are you?')],
  talk('My name is Ada.', 'Nice to meet you, Ada!', 'What is my name?'),
  [
    system('Answer in lower case.'),
    ...talk(
      'My name is Ada.',
      'nice to meet you, ada!',
      'What is 7 plus 5?',
      '7 plus 5 is 12.',
      'What is my name?',
    ),
  ],
]

export const MODELS = [
  { file: realModel, conversations: REAL },
  { file: embeddedModel, conversations: EMBEDDED },
]

/**
 * What we answer: `{ answer, finishReason, prompt }`. The model is loaded for each answer: with a prefix in the cache,
 * fewer tokens are evaluated in one step, which adds in another order.
 */
export async function ourAnswer(GPT4All, file, messages) {
  const model = await GPT4All.load(file, LOAD)
  const chat = model.chatSession({ messages: messages.slice(0, -1) })
  const { text, finishReason } = await chat.generate(messages.at(-1).content, GENERATE).result
  const prompt = await model.renderPrompt(messages)
  await model.close()
  return { answer: text, finishReason, prompt }
}
