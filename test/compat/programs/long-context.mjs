// The calls of spec/long-context.mjs of gpt4all 4.0.0: a prompt of more than 2048 tokens.
import { promises as fs } from 'node:fs'
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf', {
  verbose: true,
  device: 'gpu',
  nCtx: 32768,
})

const types = await fs.readFile('./src/gpt4all.d.ts', 'utf-8')

const completion = await createCompletion(
  model,
  `Here are the type definitions:\n\n${types}\n\nWhat is the capital of France?`,
  { verbose: true },
)
console.debug(completion.choices[0].message)
