// The calls of spec/llmodel.mjs of gpt4all 4.0.0: the native model behind an InferenceModel.
import {
  createCompletion,
  DEFAULT_DIRECTORY,
  DEFAULT_LIBRARIES_DIRECTORY,
  LLModel,
  loadModel,
} from 'gpt4all-ts/compat'

const model = await loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { verbose: true, device: 'gpu' })
const { llm } = model

try {
  class Extended extends LLModel {}
  console.log('extended', Extended.name)
} catch (error) {
  console.log(`Extending from native class gone wrong ${error}`)
}

console.log(`state size ${llm.stateSize()}`)
console.log(`thread count ${llm.threadCount()}`)
llm.setThreadCount(5)
console.log(`thread count ${llm.threadCount()}`)
llm.setThreadCount(4)
console.log(`thread count ${llm.threadCount()}`)
console.log(`name ${llm.name()}`)
console.log(`type: ${llm.type()}`)
console.log('Default directory for models', DEFAULT_DIRECTORY)
console.log('Default directory for libraries', DEFAULT_LIBRARIES_DIRECTORY)
console.log('Has GPU', llm.hasGpuDevice())
console.log('gpu devices', llm.listGpu())
console.log('Required Mem in bytes', llm.memoryNeeded())

// A system prompt without a session.
await createCompletion(model, '<|im_start|>system\nAnswer in upper case.<|im_end|>\n', {
  promptTemplate: '%1',
  nPredict: 0,
  special: true,
})
const first = await createCompletion(model, 'What is 1 plus 1?', { verbose: true })
console.log(`🤖 > ${first.choices[0].message.content}`)
const second = await createCompletion(model, 'What is 2 plus 2?', { verbose: true })
console.log(`🤖 > ${second.choices[0].message.content}`)

model.dispose()
console.log('model disposed, exiting...')
