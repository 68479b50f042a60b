// The shortest way from a model file to text: node examples/quickstart.mjs [model.gguf]
import { GPT4All } from 'gpt4all-ts'

const path = process.argv[2] ?? 'models/gpt4all-ts-tiny-chat.Q8_0.gguf'
const model = await GPT4All.load(path)

console.log(await model.generate('The capital of France is', { temp: 0, maxTokens: 3 }))

const prompt = await model.renderPrompt([{ role: 'user', content: 'Write me a short poem.' }])
for await (const piece of model.generate(prompt)) process.stdout.write(piece)
process.stdout.write('\n')

await model.close()
