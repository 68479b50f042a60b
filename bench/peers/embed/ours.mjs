// Our Embed4All: see serve.mjs. It uses the package as a user would: its public entry, built.
import { Embed4All } from '../../../dist/index.js'
import { serve } from './serve.mjs'

await serve(async ({ gguf, threads }) => {
  const embedder = await Embed4All.load(gguf, { nThreads: threads, device: 'cpu' })
  const embed = async (texts) => (await embedder.embed(texts)).embeddings
  return { version: 'ours', embed, embedLong: embed }
})
