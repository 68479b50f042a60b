// The calls of spec/embed.mjs of gpt4all 4.0.0: embeddings are printed without await.
import { createEmbedding, loadModel } from 'gpt4all-ts/compat'

const embedder = await loadModel('nomic-embed-text-v1.5.f16.gguf', {
  verbose: true,
  type: 'embedding',
  device: 'gpu',
})

try {
  console.log(createEmbedding(embedder, ['the cat sat', '12312'], { prefix: 'search_document' }))
} catch (error) {
  console.log(error)
}

embedder.dispose()
