import type { Logger } from '../../core/logger.ts'
import type { Identity } from '../../loading/identity.ts'
import { boolean, define } from '../../options/define.ts'
import type { SequenceState } from '../../scheduler/cache/state-cache.ts'
import type { PromptBuilder } from '../prompt.ts'
import { hashOfState, headOf, readState, type SavedChat, type SavedFile } from './file.ts'
import { isSigned, sign } from './key.ts'

/** Options of `session.save(file, options)` and `session.savedSize(options)`. */
export type SaveOptions = {
  /**
   * Also save the contents of the cache, so that the conversation continues without being evaluated again:
   * some 10 to 200 KB per token, depending on the model. It can be used with the same model, opened the same
   * way.
   * @default false
   */
  readonly state?: boolean | undefined
}

/** The size of a file that `session.save()` has written or would write. */
export type SavedSession = {
  /** Size of the whole file in bytes. */
  readonly bytes: number
  /**
   * How many of them are contents of the cache; 0 without `state`, and if the cache held nothing of the
   * conversation.
   */
  readonly stateBytes: number
  /** Tokens that need not be evaluated when the session is restored. */
  readonly stateTokens: number
  /** Number of messages. */
  readonly messages: number
}

/** @internal An open model's cache as saved sessions use it, and what its states are bound to. */
export type CacheStore = {
  stateOf(conversation: object, tokens: readonly number[]): Promise<SequenceState | undefined>
  offer(conversation: object, state: SequenceState): void
  identity(): Promise<Identity>
  /** A limit that no state of one conversation reaches. */
  readonly mostStateBytes: number
}

/** What only the session knows of its conversation. */
export type SessionSnapshot = Pick<SavedChat, 'model' | 'messages' | 'ownSystem' | 'lastAnswer'>

/** The content of a conversation's file, ready to be written. */
export async function collect(
  snapshot: SessionSnapshot,
  prompts: PromptBuilder,
  cache: CacheStore,
  { state: withState }: SaveOptions,
  logger: Logger,
): Promise<{ readonly head: Buffer; readonly state: Uint8Array | undefined; readonly saved: SavedSession }> {
  const { record, skipped } = prompts.saved
  const state = withState ? await cache.stateOf(prompts, record.tokens) : undefined
  const info = state && {
    bytes: state.bytes.length,
    sha256: await hashOfState(state.bytes),
    tokens: state.tokens,
    inSlices: state.inSlices,
  }
  const { modelHash, cacheHash } = await cache.identity()
  const chat = { ...snapshot, modelHash, cacheHash, skipped, record, state: info }
  const head = await headOf(chat, (sha256) => sign(sha256, logger))
  const stateBytes = state?.bytes.length ?? 0
  const stateTokens = state?.tokens.length ?? 0
  const saved = {
    bytes: head.length + stateBytes,
    stateBytes,
    stateTokens,
    messages: snapshot.messages.length,
  }
  return { head, state: state?.bytes, saved }
}

const SAVE = define<SaveOptions>()({ state: boolean().default(false) })

export const resolveSaveOptions = (options?: SaveOptions) => SAVE.resolve(options)

/**
 * Restores `prompts` and the cache from what a file holds beside the messages, as far as it fits this model
 * and this user has saved it: a stranger's tokens need not match the messages, and a stranger's state may
 * hold anything. True where this model wrote the conversation.
 */
export async function bringBack(
  { file, chat, sha256, signature, stateAt }: SavedFile,
  prompts: PromptBuilder,
  cache: CacheStore,
  logger: Logger,
): Promise<boolean> {
  const again = 'the conversation is evaluated again'
  if (!(await isSigned(sha256, signature, logger))) {
    logger.info(`${file} was not saved by this user on this machine: ${again}`)
    return false
  }
  const identity = await cache
    .identity()
    .catch((error: Error) => void logger.warn(`${error.message}: ${again}`))
  if (!identity) return false
  const { modelHash, cacheHash } = identity
  if (chat.modelHash !== modelHash) {
    logger.info(`${file} was saved with another model, "${chat.model}": ${again}`)
    return false
  }
  prompts.restore(chat)
  if (!chat.state) return true
  if (chat.cacheHash !== cacheHash) {
    logger.info(`${file} was saved with other model options, or by another version: ${again}`)
    return true
  }
  const { tokens, inSlices } = chat.state
  const bytes = await readState(file, stateAt, chat.state, cache.mostStateBytes)
  if (bytes) cache.offer(prompts, { tokens, inSlices, bytes })
  else logger.warn(`${file} is damaged except for its messages: ${again}`)
  return true
}
