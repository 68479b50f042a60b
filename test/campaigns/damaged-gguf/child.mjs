// Opens what it is sent, asks it for texts' tokens and for one token, as a user would: through the built library's public face.
import { GPT4All, isGPT4AllError } from '../../../dist/index.js'

const OPTIONS = { allowDownload: false, nCtx: 128, nThreads: 1 }
const TEXTS = ['a', 'Hello, world!  ', '<|im_start|></s><s>', ' \n\u00e9\u4e16\ud83d\ude42\u0000 12345']

async function attempt({ path, options }) {
  try {
    const model = await GPT4All.load(path, { ...OPTIONS, ...options })
    try {
      for (const text of TEXTS)
        for (const parseSpecial of [false, true]) {
          const tokens = await model.tokenize(text, { parseSpecial, addSpecial: true }).catch(unlessTyped)
          if (tokens) await model.detokenize(tokens).catch(unlessTyped)
        }
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

function unlessTyped(error) {
  if (!isGPT4AllError(error)) throw error
}

process.on('message', async (request) => {
  process.send?.(await attempt(request))
})
