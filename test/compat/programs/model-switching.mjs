// The calls of spec/model-switching.mjs of gpt4all 4.0.0: another model continues the messages of a session.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model1 = await loadModel('Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf', { device: 'gpu', nCtx: 4096 })

const chat1 = await model1.createChatSession({ temperature: 0.8, topP: 0.7, topK: 60 })

for (const prompt of [
  'Tell me a story.',
  'My name is Ada.',
  'My pet is a cat.',
  'Write a poem about the sea.',
]) {
  const turn = await createCompletion(chat1, prompt)
  console.debug(turn.choices[0].message)
}

model1.dispose()

const model2 = await loadModel('gpt4all-falcon-newbpe-q4_0.gguf', { device: 'gpu' })

const chat2 = await model2.createChatSession({ messages: chat1.messages })

for (const prompt of ['What is my name?', 'Thank you']) {
  const turn = await createCompletion(chat2, prompt)
  console.debug(turn.choices[0].message)
}

model2.dispose()
