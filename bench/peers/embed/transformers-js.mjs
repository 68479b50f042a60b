// transformers.js, on ONNX Runtime for Node.js: see serve.mjs. `workers` batches are evaluated at a time.
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AutoModel, AutoTokenizer, env, mean_pooling, Tensor } from '@huggingface/transformers'
import { byLength, mean, serve, windowsOf } from './serve.mjs'

await serve(open)

async function open({ folder, threads, workers, batch }) {
  env.allowRemoteModels = false
  env.localModelPath = dirname(folder)
  const name = basename(folder)
  const tokenizer = await AutoTokenizer.from_pretrained(name)
  const model = await AutoModel.from_pretrained(name, {
    dtype: 'fp32',
    session_options: { intraOpNumThreads: threads / workers, graphOptimizationLevel: 'all' },
  })
  const [cls, sep] = [tokenizer.cls_token_id ?? 101, tokenizer.sep_token_id ?? 102]

  /** The vectors of lists of ids, framed. */
  async function evaluate(lists) {
    const vectors = new Array(lists.length)
    const batches = byLength(lists, batch)
    const worker = async () => {
      for (let indices = batches.shift(); indices !== undefined; indices = batches.shift()) {
        const found = await step(indices.map((i) => lists[i]))
        indices.forEach((i, row) => {
          vectors[i] = found[row]
        })
      }
    }
    await Promise.all(Array.from({ length: workers }, worker))
    return vectors
  }

  async function step(lists) {
    const shape = [lists.length, lists[0].length]
    const ids = new BigInt64Array(shape[0] * shape[1])
    const mask = new BigInt64Array(ids.length)
    lists.forEach((list, row) => {
      const from = row * shape[1]
      for (const [i, id] of list.entries()) ids[from + i] = BigInt(id)
      mask.fill(1n, from, from + list.length)
    })
    const attention_mask = new Tensor('int64', mask, shape)
    const { last_hidden_state } = await model({
      input_ids: new Tensor('int64', ids, shape),
      attention_mask,
      token_type_ids: new Tensor('int64', new BigInt64Array(ids.length), shape),
    })
    const pooled = mean_pooling(last_hidden_state, attention_mask).normalize(2, -1)
    const size = pooled.dims[1]
    return lists.map((_, row) => pooled.data.slice(row * size, (row + 1) * size))
  }

  const framed = (ids) => [cls, ...ids, sep]
  const idsOf = (text) => tokenizer.encode(text, { add_special_tokens: false })
  return {
    version: JSON.parse(
      readFileSync(
        new URL('../../node_modules/@huggingface/transformers/package.json', import.meta.url),
        'utf8',
      ),
    ).version,
    embed: (texts) => evaluate(texts.map((text) => framed(idsOf(text)))),
    async embedLong(texts) {
      const windows = texts.map((text) => windowsOf(idsOf(text)))
      const vectors = await evaluate(windows.flat().map(framed))
      return windows.map(({ length }) => mean(vectors.splice(0, length)))
    },
  }
}
