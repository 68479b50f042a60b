import type { LoadedDraft } from '../loading/draft.ts'
import { contextMemory, sideBySide } from '../loading/memory.ts'
import type { GgufHeader } from '../models/gguf/header.ts'
import type { NativeBinding, NativeModel } from '../native/contract.ts'
import type { ResolvedThreads } from '../options/compute.ts'
import type { ResolvedModelOptions } from '../options/model.ts'
import { Scheduler } from '../scheduler/scheduler.ts'
import type { ThreadChoice } from '../scheduler/threads.ts'

/** Starts the scheduler that computes with a loaded model, and with the draft model that guesses for it. */
export async function startScheduler(
  binding: NativeBinding,
  native: NativeModel,
  header: GgufHeader,
  options: ResolvedModelOptions,
  loadDraft: (() => Promise<LoadedDraft>) | undefined,
): Promise<Scheduler> {
  const { nCtx, deterministic, parallel, maxQueue, cacheMemory, logger } = options
  const { flashAttention, keyType, valueType, lora } = options
  const { trainedContextSize } = native.info
  if (nCtx > trainedContextSize) {
    logger.warn(
      `nCtx ${nCtx} is more than the ${trainedContextSize} tokens the model was trained with: expect poor text beyond that`,
    )
  }
  const draft = loadDraft && (await loadDraft())
  try {
    return await Scheduler.open(binding, native, {
      contextSize: nCtx,
      ...threadChoice(native, options),
      cache: { flashAttention, keyType, valueType },
      adapterScales: lora.map(({ scale }) => scale),
      deterministic,
      parallel: parallel ?? sideBySide(header, nCtx, options),
      reserved: parallel ?? 1,
      maxQueue,
      cacheMemory,
      ...contextMemory(header, nCtx, options),
      draft: draft && { ...draft, ...contextMemory(draft.header, nCtx, draft.cache) },
      logger,
    })
  } finally {
    draft?.native.close() // its context keeps the weights alive
  }
}

export function threadChoice(
  { info }: NativeModel,
  options: ResolvedThreads & { readonly deterministic: boolean },
): ThreadChoice {
  const { nThreads, nThreadsBatch, fixedThreads, deterministic } = options
  // A recurrent state cannot undo a step that was aborted.
  const yields = !fixedThreads && !deterministic && !info.isRecurrent && !info.isHybrid
  return { threads: nThreads, batchThreads: nThreadsBatch, yields }
}
