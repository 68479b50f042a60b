import { ModelError } from '../core/errors.ts'
import { assertGeneratesText, type GgufHeader, readGguf } from '../models/gguf/header.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import type { CacheOptions } from '../options/compute.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import type { Device } from './devices.ts'
import { checkPositions } from './fit.ts'
import { checkMemory, planMemory } from './memory.ts'
import { tryOpening } from './trial/trial.ts'
import { isLoaded, load } from './weights.ts'

/**
 * Sizes of vocabularies may differ by this much: files pad them. Source: llama.cpp's common/speculative.cpp
 */
const MOST_PADDING = 128

export type LoadedDraft = {
  readonly native: NativeModel
  readonly header: GgufHeader
  /** How its context keeps keys and values. */
  readonly cache: CacheOptions
}

/**
 * Loads the draft model at `path`, which guesses for `target`, on the same GPUs.
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED` where its vocabulary differs, or wrong guesses could not be
 * undone
 */
export async function loadDraft(
  binding: NativeBinding,
  path: string,
  target: NativeModel,
  options: ResolvedModelOptions,
  gpus: readonly Device[],
  signal: AbortSignal,
): Promise<LoadedDraft> {
  const header = await readGguf(path, { signal })
  assertGeneratesText(header)
  checkPositions(header, options.nCtx)
  const { flashAttention, logger } = options
  // Its heads may be too small for the blocks of the large model's cache, and its own cache is small.
  const cache = { keyType: 'f16', valueType: 'f16', flashAttention } as const
  const plan = planMemory(header, options.nCtx, { cache })
  checkMemory(path, options.nCtx, plan, logger, {
    weightsLoaded: isLoaded(binding, path, options, gpus, []),
  })
  if (options.tryFirst) await tryOpening(binding, header, [], { ...cache, logger }, signal)?.opens
  const native = await load(binding, header, options, gpus, [], signal)
  const reason = whyNot(native, target)
  if (reason === undefined) return { native, header, cache }
  native.close()
  throw new ModelError('ERR_MODEL_UNSUPPORTED', `${path} cannot be the draftModel: ${reason}.`, path)
}

function whyNot(draft: NativeModel, target: NativeModel): string | undefined {
  const { isRecurrent, isHybrid, hasEncoder, isDiffusion } = draft.info
  if (isRecurrent || isHybrid) return 'its memory is recurrent, so wrong guesses cannot be undone'
  if (hasEncoder || isDiffusion) return 'it does not write text token by token'
  if (target.info.isRecurrent || target.info.isHybrid)
    return "the model's own memory is recurrent, so wrong guesses cannot be undone"
  const differs = whereVocabulariesPart(draft, target)
  if (differs === undefined) return undefined
  return `it must have the vocabulary of the model it guesses for, but ${differs}`
}

/** How the vocabularies differ; `undefined` where every token of one has the same text in the other. */
function whereVocabulariesPart(draft: NativeModel, target: NativeModel): string | undefined {
  const sizes = [draft.info.vocabSize, target.info.vocabSize] as const
  if (Math.abs(sizes[0] - sizes[1]) > MOST_PADDING)
    return `has ${sizes[0]} tokens, where that one has ${sizes[1]}`
  for (let token = 0; token < Math.min(...sizes); token++) {
    const theirs = target.tokenBytes(token, true)
    if (Buffer.compare(draft.tokenBytes(token, true), theirs) !== 0)
      return `its token ${token} differs (there it is ${JSON.stringify(Buffer.from(theirs).toString())})`
  }
  return undefined
}
