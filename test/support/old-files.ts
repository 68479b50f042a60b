import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { GPT4All } from '../../src/index.ts'
import { readGgufFile, type StringScan } from '../../src/models/gguf/reader.ts'
import { type OldModel, oldModel } from './ggml-writer.ts'

/** One of each format and type that can be converted; those called `llama-2` get LLaMA 2's numbers. */
const MODELS: Readonly<Record<string, OldModel>> = {
  'ggml-F16.bin': { magic: 'ggml', type: 'F16', fileType: 1 },
  'ggmf-F32.bin': { magic: 'ggmf', version: 1, type: 'F32', fileType: 0 },
  'v1-F16.bin': { magic: 'ggjt', version: 1, type: 'F16', fileType: 1 },
  'v2-Q5_0.bin': { magic: 'ggjt', version: 2, type: 'Q5_0', fileType: 8 },
  'v2-Q5_1.bin': { magic: 'ggjt', version: 2, type: 'Q5_1', fileType: 9 },
  'v3-F32.bin': { magic: 'ggjt', version: 3, type: 'F32', fileType: 0 },
  'v3-F16.bin': { magic: 'ggjt', version: 3, type: 'F16', fileType: 1 },
  'v3-Q4_0.bin': { magic: 'ggjt', version: 3, type: 'Q4_0', fileType: 2 },
  'v3-Q4_1.bin': { magic: 'ggjt', version: 3, type: 'Q4_1', fileType: 3 },
  'v3-Q8_0.bin': { magic: 'ggjt', version: 3, type: 'Q8_0', fileType: 7 },
  'v3-Q5_0.bin': { magic: 'ggjt', version: 3, type: 'Q5_0', fileType: 8 },
  'v3-Q5_1.bin': { magic: 'ggjt', version: 3, type: 'Q5_1', fileType: 9 },
  'v3-Q2_K.bin': { magic: 'ggjt', version: 3, type: 'Q2_K', fileType: 10, width: 256, layers: 1 },
  'v3-Q3_K.bin': { magic: 'ggjt', version: 3, type: 'Q3_K', fileType: 12, width: 256, layers: 1 },
  'v3-Q4_K.bin': { magic: 'ggjt', version: 3, type: 'Q4_K', fileType: 15, width: 256, layers: 1 },
  'v3-Q5_K.bin': { magic: 'ggjt', version: 3, type: 'Q5_K', fileType: 17, width: 256, layers: 1 },
  'v3-Q6_K.bin': { magic: 'ggjt', version: 3, type: 'Q6_K', fileType: 18, width: 256, layers: 1 },
  'llama-2-v3-Q4_0.bin': { magic: 'ggjt', version: 3, type: 'Q4_0', fileType: 2, kvHeads: 2 },
  'more-tokens.bin': {
    magic: 'ggjt',
    version: 3,
    type: 'F16',
    fileType: 1,
    tokens: ['[PAD]', 'ü', ' two words', ''],
  },
}

export const OLD_FILES = Object.keys(MODELS)

export function oldFile(name: string): Buffer {
  const model = MODELS[name]
  if (!model) throw new Error(`no old file ${name}`)
  return oldModel(model)
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A GGUF file as test/golden/ggml.py describes it, without what only our converter notes. */
export async function describeGguf(path: string) {
  const texts = new Map<string, ReturnType<typeof createHash>>()
  const { metadata, tensors } = await readGgufFile(path, (key, count) => {
    const hash = createHash('sha256')
    texts.set(key, hash)
    return hashStrings(hash, count)
  })
  const content = readFileSync(path)
  const known = [...metadata].filter(([key]) => !key.startsWith('gpt4all_ts.'))
  const values = Array.from(known, ([key, entry]) => {
    if (entry.type !== 'array') return [key, entry.value]
    const list = entry.values as { buffer: ArrayBuffer } | undefined
    return [key, texts.get(key)?.digest('hex') ?? sha256(new Uint8Array(list?.buffer ?? new ArrayBuffer(0)))]
  })
  return {
    metadata: Object.fromEntries(values),
    tensors: Object.fromEntries(
      tensors.map(({ name, type, shape, offset, bytes }) => [
        name,
        { type, shape, sha256: sha256(content.subarray(offset, offset + bytes)).slice(0, 16) },
      ]),
    ),
  }
}

function hashStrings(hash: ReturnType<typeof createHash>, count: number): StringScan {
  let index = 0
  return (window) => {
    let at = 0
    for (; index < count && at + 8 <= window.length; index++) {
      const end = at + 8 + Number(window.readBigUInt64LE(at))
      if (end > window.length) break
      hash.update(window.subarray(at + 8, end)).update('\n')
      at = end
    }
    return { index, bytes: at }
  }
}

/** What test/golden/ggml.py tells of a file, and what the model then says. */
export type Described = {
  /** SHA-256 of the old file. */
  readonly input: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tensors: Readonly<Record<string, unknown>>
  readonly greedy: readonly number[]
}

/** The likeliest tokens behind a prompt. */
export async function greedyTokens(path: string): Promise<number[]> {
  const model = await GPT4All.load(path, { nThreads: 1, nCtx: 64 })
  const tokens: number[] = []
  const callback = (token: number) => void tokens.push(token)
  await model.generate('hello old world', { temp: 0, maxTokens: 12, repeatPenalty: 1, callback })
  await model.close()
  return tokens
}
