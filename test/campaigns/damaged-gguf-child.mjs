// Loads what it is sent and asks it for one token, as a user would: through the built library's public face.
import { GPT4All, isGPT4AllError } from '../../dist/index.js'

const OPTIONS = { allowDownload: false, nCtx: 128, nThreads: 1 }

async function attempt(path) {
  try {
    const model = await GPT4All.load(path, OPTIONS)
    try {
      const text = await model.generate('a', { maxTokens: 1, seed: 1 })
      return { kind: 'valid', detail: JSON.stringify(text) }
    } finally {
      await model.close()
    }
  } catch (error) {
    if (isGPT4AllError(error)) return { kind: 'typed error', detail: error.code, message: error.message }
    return {
      kind: 'untyped error',
      detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }
  }
}

process.on('message', async (path) => {
  process.send?.(await attempt(path))
})
