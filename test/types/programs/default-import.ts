// The default import, which older pages of the documentation use.
import gpt from 'gpt4all'

const model = await gpt.loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { device: 'gpu' })
const stream = gpt.createCompletionStream(model, 'How are you?')
stream.tokens.on('data', (data) => {
  process.stdout.write(data)
})
const { usage } = await stream.result
for await (const chunk of gpt.createCompletionGenerator(model, 'text', { nPast: usage.n_past_tokens }))
  process.stdout.write(chunk)
console.log(new gpt.ChatSession(model).systemPrompt, gpt.DEFAULT_DIRECTORY)
model.dispose()

/** The whole has the types as well. */
export let session: gpt.ChatSession | undefined
