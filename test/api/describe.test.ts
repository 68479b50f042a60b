import { statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

test('describeModel() returns what the header of a file says', async () => {
  const { chatTemplate, ...told } = await GPT4All.describeModel(EMBEDDED)
  expect(told).toMatchObject({
    filename: 'gpt4all-ts-tiny-chat.Q8_0.gguf',
    path: EMBEDDED,
    filesize: statSync(EMBEDDED).size,
    architecture: 'llama',
    quantization: 'Q8_0',
    trainedContextSize: 2048,
  })
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
  const { parameters, name, vocabularySize, chatTemplate: template } = model.config!
  expect({ ...told, chatTemplate }).toMatchObject({
    parameters,
    name,
    vocabularySize,
    chatTemplate: template,
  })
  await model.close()
})

test.skipIf(!hasReal)('describeModel() describes a larger model', async () => {
  const { quantization, parameters, trainedContextSize } = await GPT4All.describeModel(REAL)
  expect([quantization, Math.round(parameters / 1e6), trainedContextSize]).toEqual(['Q4_1', 135, 8192])
})

test('describeModel() refuses a name that is not a model on the disk', async () => {
  const options = { modelPath: import.meta.dirname }
  await expect(GPT4All.describeModel('nowhere', options)).rejects.toMatchObject({
    code: 'ERR_MODEL_NOT_FOUND',
  })
  await expect(GPT4All.describeModel(import.meta.filename)).rejects.toMatchObject({ code: 'ERR_NOT_GGUF' })
  await expect(GPT4All.describeModel(EMBEDDED, { nCtx: 1 } as never)).rejects.toMatchObject({
    code: 'ERR_OPTION',
  })
})
