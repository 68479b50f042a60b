/**
 * The program of the child process that tries a model file: see `tryOpening()`, which starts it. llama.cpp
 * may answer what header checks do not find with `abort()`, a crash or a loop that never ends, in the
 * process that loads the file. So a file that is not known is opened here first, with everything that reads
 * its contents.
 */
import { type BigIntStats, constants, existsSync, fstatSync, openSync, statSync, symlinkSync } from 'node:fs'
import { AT_ONCE, identityIn } from '../../core/regular-file.ts'
import type { ModelFile } from '../../models/gguf/header.ts'
import { runTrial } from '../../native/child/trial-runner.ts'
import type {
  NativeBinding,
  NativeContext,
  NativeContextParams,
  NativeEvalResult,
  NativeModel,
  NativeModelInfo,
  NativeSamplerParams,
} from '../../native/contract.ts'
import { nativeCode } from '../../native/failures.ts'
import { CHANGED, LOADING, MAKING_CONTEXT, NO_NUMBERS, type OpeningInput, REFUSED } from './opening.ts'

/** Of a prompt, about: small models get longer ones. */
const MULTIPLICATIONS = 5e8

const TEXTS = ['Hello, world!', ' a\n\n  b', '\u00e9\u4e16\ud83d\ude42 12345', '<|im_start|></s>\u0000']

/** More tokens than these are spelled out on a thread of low priority. */
const MOST_SPELLED = 2 ** 14

const SAMPLING: NativeSamplerParams = {
  temperature: 0.7,
  topK: 40,
  topP: 0.4,
  minP: 0,
  repeatPenalty: 1.18,
  repeatLastN: 64,
  presencePenalty: 0,
  frequencyPenalty: 0,
  biasedTokens: new Int32Array(),
  biases: new Float32Array(),
  seed: 1,
}

runTrial<OpeningInput>(async ({ Model, Context, Embedder, Sampler }, input, watch, step) => {
  const { parts, adapters, links } = input
  const files = [...parts, ...adapters]
  const names = hold(files)
  if (!names) return CHANGED
  for (const [i, link] of links.entries()) symlinkSync(names[i]!, link)

  step(LOADING[0]!)
  const loading = Model.load(links[0] ?? names[0]!, {
    vocabOnly: false,
    gpuLayers: 0,
    devices: [],
    adapters: names.slice(parts.length),
    tensorSplit: [],
    repack: false, // the weights stay mapped: they take no memory that the opening after this one does not take
    onStage: (stages) => step(LOADING[stages]!),
  })
  watch() // nothing that reads the file is done on this thread
  const model = await loading.promise.catch(refusal)
  if (!files.every(isUnchanged)) return CHANGED
  if (!model) return REFUSED
  const { hasEncoder, hasDecoder, isDiffusion, vocabSize } = model.info
  if (isDiffusion) return REFUSED
  if (input.pooling) return hasEncoder && hasDecoder ? REFUSED : tryEmbedding(Embedder, model, input, step)
  if (hasEncoder || !hasDecoder) return REFUSED

  step(MAKING_CONTEXT)
  const count = promptLength(model.info)
  const making = Context.create(model, shapeFor(count, model.info, input)).catch(refusal)
  const texts = tokenize(model)
  const ids = [0, vocabSize - 1]
  for (const found of await Promise.all(texts))
    ids.push(
      ...Array.from(found ?? [])
        .filter((id) => id >= 0 && id < vocabSize)
        .slice(0, 2),
    )
  await spellAll(model)
  const context = await making
  if (!context) return REFUSED

  step('computing with it')
  const sampler = new Sampler(vocabSize, SAMPLING)
  const tokens = Int32Array.from({ length: count }, (_, i) => ids[i % ids.length]!)
  const evaluate = (
    ...entries: readonly (readonly [sequence: number, position: number, tokens: Int32Array])[]
  ) =>
    context
      .eval(
        entries.map(([sequence, position, tokens]) => ({
          sequence,
          position,
          tokens,
          sampler,
          outputs: [tokens.length - 1],
        })),
      )
      .catch(refusal)
  const computed = await evaluate([0, 0, tokens], [1, 0, tokens])
  if (!computed) return REFUSED
  if (!areNumbers(computed)) {
    // A good model may have no numbers for tokens that no text has.
    const usual = (await texts[0])?.subarray(0, count)
    const again = usual?.length ? await evaluate([0, 0, usual]) : []
    if (!again) return REFUSED
    if (!areNumbers(again)) return NO_NUMBERS
  }

  step('keeping what it has computed')
  await moveStates(context)

  step('going on')
  const { max } = await context.positions(0)
  await evaluate([0, max + 1, tokens.subarray(0, 1)])

  step('closing it')
  await context.close()
  model.close()
  return undefined
})

async function tryEmbedding(
  Embedder: NativeBinding['Embedder'],
  model: NativeModel,
  { adapters, cache, pooling = 'file' }: OpeningInput,
  step: (step: string) => void,
): Promise<typeof REFUSED | typeof NO_NUMBERS | undefined> {
  step(MAKING_CONTEXT)
  const { trainedContextSize, vocabSize } = model.info
  const batchSize = mostTokens(trainedContextSize)
  const shape = { batchSize, sequences: 2, threads: 1, batchThreads: 1, poll: 0 }
  const making = Embedder.create(model, {
    ...shape,
    ...cache,
    adapterScales: adapters.map(() => 1),
    pooling,
  }).catch(refusal)
  const texts = await Promise.all(tokenize(model))
  await spellAll(model)
  const embedder = await making
  if (!embedder) return REFUSED

  step('computing with it')
  const ids = [0, vocabSize - 1, ...texts.flatMap((found) => Array.from(found?.subarray(0, 2) ?? []))]
  const count = Math.min(promptLength(model.info), embedder.info.longest)
  const tokens = Int32Array.from({ length: count }, (_, i) => ids[i % ids.length]!)
  const embed = (ids: Int32Array) => embedder.embed(ids, Int32Array.of(ids.length)).catch((error) => error)
  for (const one of [tokens, texts[0]?.subarray(0, count) ?? tokens]) {
    const computed: unknown = one.length > 0 && (await embed(one))
    if (nativeCode(computed) === 'ERR_LOGITS' && one !== tokens) return NO_NUMBERS
    if (nativeCode(computed) !== undefined && nativeCode(computed) !== 'ERR_LOGITS') return REFUSED
  }

  step('closing it')
  await embedder.close()
  model.close()
  return undefined
}

/**
 * Opens the files and keeps them open, as `HeldFiles` does, so that nothing is learnt of a file and
 * remembered of another. Returns names that lead to them; `undefined` if one is not the file that was
 * checked.
 */
function hold(files: readonly ModelFile[]): string[] | undefined {
  const names: string[] = []
  for (const file of files) {
    if (!isUnchanged(file)) return undefined // a named pipe, perhaps, which must not be opened
    const held = openSync(file.path, constants.O_RDONLY | AT_ONCE)
    if (!isSame(file, () => fstatSync(held, { bigint: true }))) return undefined
    const name = `/proc/self/fd/${held}`
    names.push(process.platform === 'linux' && existsSync(name) ? name : file.path)
  }
  return names
}

function isUnchanged(file: ModelFile): boolean {
  return isSame(file, () => statSync(file.path, { bigint: true }))
}

function isSame({ identity }: ModelFile, find: () => BigIntStats): boolean {
  try {
    return identity === identityIn(find())
  } catch {
    return false
  }
}

/**
 * An error with a code is an answer of the addon, which the program gets too. Any other is a fault of ours.
 */
function refusal(error: unknown): undefined {
  if ((error as { code?: unknown }).code === undefined) throw error
}

function promptLength({ trainedContextSize, sizeBytes }: NativeModelInfo): number {
  return Math.min(
    mostTokens(trainedContextSize) / 2,
    Math.max(2, Math.floor(MULTIPLICATIONS / 2 / sizeBytes)),
  )
}

function mostTokens(trainedContextSize: number): number {
  return Math.max(8, Math.min(512, trainedContextSize))
}

function shapeFor(
  count: number,
  { trainedContextSize }: NativeModelInfo,
  { adapters, cache }: OpeningInput,
): NativeContextParams {
  // Shifting costs what there is room for.
  const contextSize = Math.min(mostTokens(trainedContextSize), 2 * count <= 256 ? 256 : 512)
  return {
    contextSize,
    sequences: 2,
    batchSize: contextSize,
    microBatchSize: contextSize,
    maxOutputs: 8,
    threads: 1,
    batchThreads: 1,
    poll: 0,
    ...cache,
    adapterScales: adapters.map(() => 1),
  }
}

/** Each text in each way; the first one is plain. */
function tokenize(model: NativeModel): Promise<Int32Array | undefined>[] {
  const marks = { cut: '\ue000', open: '', close: '', begins: true, addSpecial: true }
  return TEXTS.flatMap((text) =>
    [false, true].flatMap((parseSpecial) =>
      ['', '\n'].map((anchor) =>
        model.tokenizeLater({ ...marks, text, parseSpecial, anchor }).promise.catch(refusal),
      ),
    ),
  )
}

async function spellAll(model: NativeModel): Promise<void> {
  const { vocabSize } = model.info
  const all = Int32Array.from({ length: vocabSize }, (_, id) => id)
  for (let id = 0; id < vocabSize; id += MOST_SPELLED)
    await model.detokenizeLater(all.subarray(id, id + MOST_SPELLED), true).promise.catch(refusal)
}

function areNumbers(computed: readonly NativeEvalResult[]): boolean {
  return computed.every(({ error }) => !error)
}

async function moveStates(context: NativeContext): Promise<void> {
  await context.restore(1, await context.save(0)).catch(refusal)
  await context.remove(1, 0, -1).catch(refusal)
  await context.copy(0, 1).catch(refusal)
  if (context.info.canShift) await context.shift(0, 0, 1).catch(refusal)
}
