// Where things lie. Everything but `dist/` that the scripts make is ignored by git.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @param {...string} parts */
export const inRoot = (...parts) => join(root, ...parts)

export const pins = JSON.parse(readFileSync(inRoot('scripts', 'pins.json'), 'utf8'))

/** Stamps, temporary folders and built addons. CI may point it at a folder that it keeps between runs. */
export const cacheDir = process.env.GPT4ALL_BUILD_CACHE || inRoot('.cache')

export const realModel = inRoot('.models', pins['SmolLM2-135M-Instruct'].file)
export const embeddingModel = inRoot('.models', pins['all-MiniLM-L6-v2'].file)
export const embeddedModel = inRoot('models', 'gpt4all-ts-tiny-chat.Q8_0.gguf')
