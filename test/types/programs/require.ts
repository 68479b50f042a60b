// require(), as TypeScript writes it for CommonJS.
import gpt = require('gpt4all')

gpt.loadModel('a', { type: 'embedding' }).then((embedder: gpt.EmbeddingModel) => {
  const result: gpt.EmbeddingResult<Float32Array> = gpt.createEmbedding(embedder, 'text')
  console.log(result.embeddings.length)
})
