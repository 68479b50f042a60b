// The calls of spec/callbacks.mjs of gpt4all 4.0.0: an exception in a callback ends what it is called for.
import { createCompletion, loadModel } from 'gpt4all-ts/compat'

const model = await loadModel('Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf', { verbose: true, device: 'gpu' })

const completion = await createCompletion(model, 'What is the capital of France? 🍣', {
  onPromptToken: (tokenId) => {
    console.debug('onPromptToken', { tokenId })
    throw new Error('This is an error')
  },
  onResponseToken: (tokenId, token) => {
    console.debug('onResponseToken', { tokenId, token })
  },
})

console.debug('Output:', { usage: completion.usage, message: completion.choices[0].message })
