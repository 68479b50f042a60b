// The calls of spec/stateless.mjs of gpt4all 4.0.0: the whole conversation is given each time.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', { verbose: true, device: 'gpu' })

const messages = [
  { role: 'system', content: '<|im_start|>system\nAnswer in upper case.<|im_end|>\n' },
  { role: 'user', content: 'My name is Ada.' },
  { role: 'assistant', content: 'NICE TO MEET YOU, ADA.' },
  { role: 'user', content: 'What is my name?' },
]

const first = await createCompletion(model, messages)
console.debug(first.choices[0].message)
messages.push(first.choices[0].message)

messages.push({ role: 'user', content: 'What is 2 plus 2?' })
const second = await createCompletion(model, messages)
console.debug(second.choices[0].message)
messages.push(second.choices[0].message)

messages.push({ role: 'user', content: 'Thank you' })
const third = await createCompletion(model, messages)
console.debug(third.choices[0].message)
