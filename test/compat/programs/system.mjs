// The calls of spec/system.mjs of gpt4all 4.0.0: a system prompt that is written in the model's own format.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf', { verbose: true, device: 'gpu' })

const chat = await model.createChatSession({
  verbose: true,
  systemPrompt: '<|im_start|>system\nAnswer in upper case.<|im_end|>',
})
const turn = await createCompletion(chat, 'What is the capital of France?')
console.log(turn.choices[0].message)

model.dispose()
