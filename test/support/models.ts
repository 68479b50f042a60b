import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** The model that lies in the repository: 2 MB, made by models/train.sh. */
export const EMBEDDED = join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')

/** The model that `npm run models:fetch` brings: SmolLM2-135M-Instruct, 98 MB. */
export const REAL = join(root, '.models', 'SmolLM2-135M-Instruct.Q4_1.gguf')

export const hasReal = existsSync(REAL)

/** The embedding model that it also brings: all-MiniLM-L6-v2, 46 MB. */
export const EMBEDDER = join(root, '.models', 'all-MiniLM-L6-v2.gguf2.f16.gguf')

export const hasEmbedder = existsSync(EMBEDDER)

/** llama.cpp's own files: vocabularies with expected tokenizations, chat templates. */
export const VENDOR_MODELS = join(root, 'vendor', 'llama.cpp', 'models')

if (!hasReal) {
  console.warn('The tests on SmolLM2 are skipped: run `npm run models:fetch` to have it.')
}
