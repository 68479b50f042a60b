// The calls of spec/chat-minimal.mjs of gpt4all 4.0.0: a session without options, and no dispose() at the end.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', { verbose: true, device: 'gpu' })

const chat = await model.createChatSession()

await createCompletion(chat, 'What is the capital of France?', { verbose: true })
await createCompletion(chat, 'Are you sure?', { verbose: true })
