import { AsyncResource } from 'node:async_hooks'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Conversation, ConversationOptions, Turn, TurnOutcome } from '../../chat/conversation.ts'
import { checkKept } from '../../chat/overflow.ts'
import type { SavedSession, SaveOptions, SessionSnapshot } from '../../chat/saved/session.ts'
import type { ChatMessage } from '../../core/messages.ts'
import { besides } from '../../core/whole-file.ts'
import type { EventStream } from '../../generation/events.ts'
import type { ResolvedGenerateOptions } from '../../options/generate.ts'
import type { Demand } from '../../scheduler/request.ts'
import type { EngineProcess } from './process.ts'
import { messagesToWire } from './wire.ts'

/** Opens the model in the running process, where it is not open there. */
type UseModel = () => Promise<{ readonly process: EngineProcess; readonly id: number }>

/** A conversation's number in the process that knows it. */
type ConversationInProcess = { readonly process: EngineProcess; readonly id: number }

/** Makes the process forget conversations that were garbage collected here. */
const abandoned = new FinalizationRegistry(forget)

/**
 * @internal A conversation with a model in an isolated engine. The process that replaces a crashed one knows
 * nothing of the conversation, and evaluates its messages again.
 */
export class IsolatedConversation implements Conversation {
  readonly #useModel: UseModel
  readonly #options: ConversationOptions
  readonly systemPrompt: string | undefined
  readonly isRestored: boolean
  #known: ConversationInProcess
  /** The conversation is being opened again in that process. */
  #making: { readonly process: EngineProcess; readonly known: Promise<ConversationInProcess> } | undefined
  #isClosed = false

  private constructor(
    useModel: UseModel,
    options: ConversationOptions,
    known: ConversationInProcess,
    facts: Pick<Conversation, 'systemPrompt' | 'isRestored'>,
  ) {
    this.#useModel = useModel
    this.#options = options
    this.#known = known
    this.systemPrompt = facts.systemPrompt
    this.isRestored = facts.isRestored
    abandoned.register(this, known, this)
  }

  static async open(
    useModel: UseModel,
    options: ConversationOptions,
    awaitedBy: AbortSignal | undefined,
  ): Promise<IsolatedConversation> {
    const { known, facts } = await make(useModel, options, awaitedBy)
    return new IsolatedConversation(useModel, { ...options, restore: undefined }, known, facts)
  }

  async countTokens(messages: readonly ChatMessage[], enableThinking: boolean): Promise<number> {
    const { process, id } = await this.#use()
    return process.ask('counting tokens', (host) =>
      host.countTokens(id, messagesToWire(messages), enableThinking),
    )
  }

  async *turn(
    turn: Turn,
    options: ResolvedGenerateOptions,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    const { process, id } = await this.#use()
    signal.throwIfAborted()
    const { overflow } = this.#options
    let thrown: { readonly error: unknown } | undefined
    // Runs in the async context of the generation, and with the messages as the program has made them.
    const ask = AsyncResource.bind(async () => {
      try {
        if (typeof overflow !== 'function') throw new Error('there is no such function')
        return messagesToWire(checkKept(await overflow(turn.messages.map((message) => ({ ...message })))))
      } catch (error) {
        thrown = { error } // the error itself need not cross
        throw new Error('the function has failed')
      }
    })
    const endTurn = process.answerOverflow(id, ask)
    try {
      yield* process.generate({ conversation: id, turn }, options, demand, signal)
    } catch (error) {
      throw thrown ? thrown.error : error
    } finally {
      endTurn()
    }
  }

  // A crash loses only what was cached.
  async commit(turn: TurnOutcome): Promise<boolean> {
    const { process, id } = this.#known
    if (!process.isAlive) return false
    return process.ask('keeping a turn', (host) => host.commit(id, turn)).catch(() => false)
  }

  reset(): void {
    const { process, id } = this.#known
    process.say((host) => host.resetConversation.asEvent(id))
  }

  async save(
    file: string | undefined,
    snapshot: SessionSnapshot,
    options: SaveOptions,
  ): Promise<SavedSession> {
    const { process, id } = await this.#use()
    const wire = { ...snapshot, messages: messagesToWire(snapshot.messages) }
    const path = file && resolve(file)
    const making = path && besides(path)
    try {
      return await process.ask('saving a conversation', (host) => host.save(id, path, wire, options, making))
    } catch (error) {
      if (making) await rm(making, { force: true }) // a process that was ended could not remove it
      throw error
    }
  }

  close(): void {
    this.#isClosed = true
    abandoned.unregister(this)
    forget(this.#known)
  }

  // Opens the conversation again where the running process is a new one; only once, however many callers
  // there are.
  async #use(): Promise<ConversationInProcess> {
    const { process } = await this.#useModel()
    if (this.#known.process === process) return this.#known
    if (this.#making?.process !== process) {
      const known = this.#remake()
      this.#making = { process, known }
      known.catch(() => {
        if (this.#making?.known === known) this.#making = undefined
      })
    }
    return this.#making.known
  }

  async #remake(): Promise<ConversationInProcess> {
    const { known } = await make(this.#useModel, this.#options, undefined)
    abandoned.unregister(this)
    if (this.#isClosed) forget(known)
    else abandoned.register(this, known, this)
    this.#known = known
    return known
  }
}

async function make(useModel: UseModel, options: ConversationOptions, awaitedBy: AbortSignal | undefined) {
  const { process, id: modelId } = await useModel()
  const id = process.newId()
  const { overflow } = options
  const wire = { ...options, overflow: typeof overflow === 'function' ? ('ask' as const) : overflow }
  const leave = () => process.say((host) => host.leaveOpening.asEvent(id))
  awaitedBy?.addEventListener('abort', leave, { once: true })
  try {
    const facts = await process.ask('opening a conversation', (host) =>
      host.openConversation(modelId, id, wire, awaitedBy?.aborted === false),
    )
    return { known: { process, id }, facts }
  } finally {
    awaitedBy?.removeEventListener('abort', leave)
  }
}

function forget({ process, id }: ConversationInProcess): void {
  process.say((host) => host.closeConversation.asEvent(id))
}
