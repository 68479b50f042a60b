// node-llama-cpp: see serve.mjs. A context of its embeds one text at a time, so there are `workers` of them.
import { readFileSync } from 'node:fs'
import { getLlama } from 'node-llama-cpp'
import { mean, serve, unit, windowsOf } from './serve.mjs'

await serve(open)

async function open({ gguf: modelPath, threads, workers }) {
  // maxThreads 0: the contexts have exactly the threads that they are given.
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 0 })
  const model = await llama.loadModel({ modelPath })
  const options = { contextSize: 513, batchSize: 513, threads: threads / workers }
  const contexts = []
  for (let i = 0; i < workers; i++) contexts.push(await model.createEmbeddingContext(options))

  async function evaluate(inputs) {
    const vectors = new Array(inputs.length)
    let next = 0
    const worker = async (context) => {
      while (next < inputs.length) {
        const i = next++
        const { vector } = await context.getEmbeddingFor(inputs[i])
        vectors[i] = unit(vector)
      }
    }
    await Promise.all(contexts.map(worker))
    return vectors
  }

  return {
    version: JSON.parse(
      readFileSync(new URL('../../node_modules/node-llama-cpp/package.json', import.meta.url), 'utf8'),
    ).version,
    embed: evaluate,
    async embedLong(texts) {
      const windows = texts.map((text) => windowsOf(model.tokenize(text)))
      const vectors = await evaluate(windows.flat())
      return windows.map(({ length }) => mean(vectors.splice(0, length)))
    },
  }
}
