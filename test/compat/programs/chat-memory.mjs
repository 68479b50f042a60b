// The calls of spec/chat-memory.mjs of gpt4all 4.0.0: a session that begins with messages, and 35 turns of it.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf', { verbose: true, device: 'gpu' })

const chat = await model.createChatSession({
  messages: [
    { role: 'user', content: 'My name is Ada.' },
    { role: 'assistant', content: 'Nice to meet you, Ada.' },
    { role: 'user', content: 'My city is Oslo.' },
    { role: 'assistant', content: 'I will remember that your city is Oslo.' },
  ],
})

const name = await createCompletion(chat, 'What is my name?')
console.debug(name.choices[0].message)

const thanks = await createCompletion(chat, 'Thank you')
console.debug(thanks.choices[0].message)

for (let i = 0; i < 32; i++) {
  const turn = await createCompletion(chat, i % 2 === 0 ? 'Tell me a story.' : 'Write a poem about the sea.')
  console.debug({ message: turn.choices[0].message, n_past_tokens: turn.usage.n_past_tokens })
}

const last = await createCompletion(chat, 'What is my name?')
console.debug(last.choices[0].message)

model.dispose()
