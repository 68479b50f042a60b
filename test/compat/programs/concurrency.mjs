// The calls of spec/concurrency.mjs of gpt4all 4.0.0: three models, four completions at once.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const options = { verbose: true }

const model1 = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', { ...options, device: 'gpu' })
const model2 = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', options)
const model3 = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', options)

const responses = await Promise.all([
  createCompletion(model1, 'What is 1 plus 1?', options),
  createCompletion(model1, 'What is 1 plus 1?', options), // waits for the one before
  createCompletion(model2, 'What is 1 plus 2?', options),
  createCompletion(model3, 'What is 1 plus 3?', options),
])
console.log(responses.map((response) => response.choices[0].message))
