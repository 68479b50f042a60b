// Four ways to end a generation before the model does: node examples/leave-early.mjs [model.gguf]
import { GPT4All } from 'gpt4all-ts'

const path = process.argv[2] ?? 'models/gpt4all-ts-tiny-chat.Q8_0.gguf'
const model = await GPT4All.load(path)
const prompt = await model.renderPrompt([{ role: 'user', content: 'Count from 1 to 50.' }])
const greedy = { temp: 0, repeatPenalty: 1 }

// 1. A stop string: the text ends just before it.
const { text, stopSequence } = await model.generate(prompt, { ...greedy, stop: ['11', '99'] }).result
console.log(`stop string "${stopSequence}": ${text}`)

// 2. A callback that has seen enough.
let tokens = 0
console.log('callback:', await model.generate(prompt, { ...greedy, callback: () => ++tokens < 10 }))

// 3. Leaving the loop.
let streamed = ''
for await (const piece of model.generate(prompt, greedy)) {
  streamed += piece
  if (streamed.includes('7')) break
}
console.log('break:', streamed)

// 4. An AbortSignal, from anywhere: the generation rejects with its reason, what was made is kept.
const controller = new AbortController()
const callback = (_, piece) => {
  if (piece.includes('5')) controller.abort(new Error('enough'))
}
const generation = model.generate(prompt, { ...greedy, signal: controller.signal, callback })
await generation.catch((error) => console.log(`abort (${error.message}):`, generation.partial.text))

await model.close()
