import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { loadBinding } from '../../src/native/binding.ts'
import type {
  NativeContext,
  NativeContextParams,
  NativeEvalEntry,
  NativeMarkedText,
  NativeModel,
  NativeSampler,
  NativeSamplerParams,
} from '../../src/native/contract.ts'
import { EMBEDDED } from './models.ts'
import { type TinyModel, tinyModel } from './tiny-models.ts'

/** Opens models and contexts through the raw addon; what a test file opened is closed at its end. */

export const binding = loadBinding()

export const LOAD = { vocabOnly: false, gpuLayers: 0, devices: [], adapters: [], tensorSplit: [] } as const

const opened: { close(): unknown }[] = []
export const folder = mkdtempSync(join(tmpdir(), 'gpt4all-native-'))

afterAll(async () => {
  for (const one of opened.reverse()) await one.close()
  rmSync(folder, { recursive: true, force: true })
})

export async function openModel(path = EMBEDDED, vocabOnly = false): Promise<NativeModel> {
  const model = await binding.Model.load(path, { ...LOAD, vocabOnly }).promise
  opened.push(model)
  return model
}

/** A model of a few KB with random weights. */
export async function openTiny(name: TinyModel): Promise<NativeModel> {
  return openModel(tinyFile(name))
}

export function tinyFile(name: TinyModel): string {
  const path = join(folder, `${name}.gguf`)
  writeFileSync(path, tinyModel(name))
  return path
}

export const SHAPE: NativeContextParams = {
  contextSize: 512,
  sequences: 1,
  batchSize: 256,
  microBatchSize: 64,
  maxOutputs: 16,
  threads: 1,
  batchThreads: 1,
  poll: 0,
  flashAttention: 'auto',
  keyType: 'f16',
  valueType: 'f16',
  adapterScales: [],
}

export async function openContext(
  model: NativeModel,
  shape: Partial<NativeContextParams> = {},
): Promise<NativeContext> {
  const context = await binding.Context.create(model, { ...SHAPE, ...shape })
  opened.push(context)
  return context
}

export const GREEDY: NativeSamplerParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatLastN: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  biasedTokens: new Int32Array(),
  biases: new Float32Array(),
  seed: 1,
}

export function greedy(model: NativeModel): NativeSampler {
  return new binding.Sampler(model.info.vocabSize, GREEDY)
}

/** Tokens of `text` without special ones. */
export function tokens(model: NativeModel, text: string): Int32Array {
  return model.tokenize(text, false, false)
}

/** Evaluates one entry and gives its result; rejects with the error that is in it. */
export async function step(context: NativeContext, entry: NativeEvalEntry) {
  const [result] = await context.eval([entry])
  if (result!.error) throw result!.error
  return result!
}

/** The `count` tokens a greedy model says after `prompt`, from `from` on; each evaluated alone. */
export async function continueGreedily(
  context: NativeContext,
  model: NativeModel,
  prompt: Int32Array,
  { count = 12, sequence = 0, position = 0 } = {},
): Promise<number[]> {
  const sampler = greedy(model)
  const said: number[] = []
  let next = prompt
  let at = position
  while (said.length < count) {
    const result = await step(context, {
      sequence,
      position: at,
      tokens: next,
      outputs: [next.length - 1],
      sampler,
    })
    at += next.length
    said.push(result.tokens[0]!)
    next = Int32Array.of(result.tokens[0]!)
  }
  return said
}

/** A text without marks, as the threads of a model take it. */
export const plain = (text: string, addSpecial = false, parseSpecial = false): NativeMarkedText => ({
  ...{ text, addSpecial, parseSpecial },
  ...{ cut: '', open: '', close: '', begins: true, anchor: '' },
})
