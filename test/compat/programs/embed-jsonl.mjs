// The calls of spec/embed-jsonl.mjs of gpt4all 4.0.0: pairs of texts from a compressed file of the internet.
import readline from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { createEmbedding, loadModel } from 'gpt4all-ts/compat'

const embedder = await loadModel('nomic-embed-text-v1.5.f16.gguf', {
  verbose: true,
  type: 'embedding',
  device: 'gpu',
})
console.log('Running with', embedder.llm.threadCount(), 'threads')

const response = await fetch('https://huggingface.co/datasets/pairs/resolve/main/squad_pairs.jsonl.gz')
const lines = readline.createInterface({
  input: Readable.fromWeb(response.body).pipe(createGunzip()),
  crlfDelay: Number.POSITIVE_INFINITY,
})

lines.on('line', (line) => console.log(createEmbedding(embedder, JSON.parse(line))))
lines.on('close', () => embedder.dispose())
