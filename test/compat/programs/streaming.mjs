// The calls of spec/streaming.mjs of gpt4all 4.0.0: every way to get a text while it is made.
import {
  createCompletion,
  createCompletionGenerator,
  createCompletionStream,
  loadModel,
} from 'gpt4all-ts/compat'

const model = await loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { device: 'gpu' })

process.stdout.write('### Stream:')
const stream = createCompletionStream(model, 'How are you?')
stream.tokens.on('data', (data) => {
  process.stdout.write(data)
})
await stream.result
process.stdout.write('\n')

process.stdout.write('### Stream with pipe:')
const piped = createCompletionStream(model, 'Count from 1 to 9.')
piped.tokens.pipe(process.stdout)
const pipedResult = await piped.result
process.stdout.write('\n')

process.stdout.write('### Generator:')
const generator = createCompletionGenerator(model, 'Who are you?', {
  nPast: pipedResult.usage.n_past_tokens,
})
for await (const chunk of generator) process.stdout.write(chunk)
process.stdout.write('\n')

process.stdout.write('### Callback:')
await createCompletion(model, 'What is the capital of France?', {
  onResponseToken: (_tokenId, token) => {
    process.stdout.write(token)
  },
})
process.stdout.write('\n')

process.stdout.write('### 2nd Generator:')
const second = createCompletionGenerator(model, 'What is 2 plus 2?')
let chunk = await second.next()
while (!chunk.done) {
  process.stdout.write(chunk.value)
  chunk = await second.next()
}
process.stdout.write('\n')
console.debug('generator finished', chunk)
model.dispose()
