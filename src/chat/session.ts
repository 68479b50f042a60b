import { resolve } from 'node:path'
import { type InspectOptions, inspect } from 'node:util'
import { Queue } from '../core/async.ts'
import { ClosedError, optionError } from '../core/errors.ts'
import { type ChatMessage, checkMessages } from '../core/messages.ts'
import type { EventStream } from '../generation/events.ts'
import type { Generation } from '../generation/generation.ts'
import type { PartialResult } from '../generation/result.ts'
import type { EventSource } from '../generation/source.ts'
import { Transcript } from '../generation/transcript.ts'
import {
  type GenerateOptions,
  type ResolvedGenerateOptions,
  resolveGenerateOptions,
} from '../options/generate.ts'
import { type FilePath, pathText } from '../options/path-text.ts'
import type { Demand } from '../scheduler/request.ts'
import type { Conversation, ConversationModel } from './conversation.ts'
import {
  type ChatGenerateOptions,
  type ChatSessionOptions,
  type ResolvedChatOptions,
  resolveChatOptions,
  splitChatOptions,
  type TurnOptions,
} from './options.ts'
import { readSaved, type SavedFile } from './saved/file.ts'
import { resolveSaveOptions, type SavedSession, type SaveOptions } from './saved/session.ts'
import { withSystem } from './template/template.ts'
import { endOf, type LastAnswer, type TurnEnd, type TurnPrompt } from './turn.ts'
import { enterTurn, markCallback, watchLoop } from './waiting.ts'

/** @internal What a session needs of its model. */
type SessionModel = {
  readonly name: string
  open(): Promise<ConversationModel>
  start(source: EventSource, options: ResolvedGenerateOptions, closing: AbortSignal): Generation
}

/**
 * A conversation with a model. Each `generate()` is one turn: message and answer join `messages` when the
 * answer ends, also by `break`, `callback`, `stop()` or `maxTokens`. After an error or an abort everything is
 * as before. Turns run one after the other in the order in which they start; one that is awaited inside the
 * loop over another rejects with `ERR_BUSY`, as neither could end. Only new text is evaluated, as long as
 * `cacheMemory` has room for what other conversations displace.
 */
export class ChatSession {
  readonly #model: SessionModel
  readonly #options: ResolvedChatOptions
  readonly #turns = new Queue()
  readonly #closing = new AbortController()
  #messages: readonly ChatMessage[]
  /** Do not use the catalog's system prompt. */
  #ownSystem: boolean
  #lastAnswer: LastAnswer | undefined
  #opened: Conversation | undefined
  #opening: Promise<Conversation> | undefined
  #restored: SavedFile | undefined

  /** @internal Made by `model.chatSession()`. */
  constructor(model: SessionModel, options?: ChatSessionOptions) {
    this.#model = model
    this.#options = resolveChatOptions(options)
    const { messages, ownSystem, restore } = this.#options
    this.#restored = restore === undefined ? undefined : readSaved(restore)
    this.#messages = this.#restored?.chat.messages ?? messages
    this.#ownSystem = this.#restored?.chat.ownSystem ?? ownSystem
  }

  /**
   * The conversation so far, beginning with the system message if there is one. This is a copy: assign to it
   * to change the conversation, system message included. A turn in progress does not join a conversation
   * assigned meanwhile.
   */
  get messages(): readonly ChatMessage[] {
    return this.#messages.map((message) => ({ ...message }))
  }

  /** Replaces the conversation, the system message included. A turn in progress does not join the new one. */
  set messages(messages: readonly ChatMessage[]) {
    checkMessages(messages)
    this.#messages = messages.map((message) => ({ ...message }))
    this.#ownSystem = true
    this.#opened?.reset()
  }

  /**
   * Answers `prompt`. Returns a generation as `model.generate()` does, with the same options and `prefill`.
   * It rejects as that one does, and with `ERR_CLOSED` if the session is closed.
   *
   * @throws `TypeError` or `RangeError` with `ERR_OPTION`, immediately, for a bad prompt or option
   */
  generate(prompt: string, options?: ChatGenerateOptions): Generation {
    if (typeof prompt !== 'string') throw optionError('prompt', 'a string', prompt)
    const turn = splitChatOptions(options)
    return this.#turn(turn, (messages) => ({
      messages: [...messages, { role: 'user', content: prompt }],
      begun: { content: turn.prefill, reasoning: '' },
    }))
  }

  /**
   * Answers the last message that is not an answer, of the user or the system, and replaces its answer if
   * there is one. Rejects with `ERR_OPTION` if the conversation has no such message.
   */
  regenerate(options?: ChatGenerateOptions): Generation {
    const turn = splitChatOptions(options)
    return this.#turn(turn, (messages) => {
      const last = messages.findLastIndex(({ role }) => role !== 'assistant')
      if (last < 0) throw optionError('messages', 'a conversation with a message to answer', messages)
      return { messages: messages.slice(0, last + 1), begun: { content: turn.prefill, reasoning: '' } }
    })
  }

  /**
   * Continues the last answer, or the reasoning before it; the generation yields what is added. Rejects with
   * `ERR_OPTION` if the conversation does not end with an answer.
   */
  continue(options?: GenerateOptions): Generation {
    const turn = { prefill: '', enableThinking: undefined, options: options ?? {} }
    return this.#turn(turn, (messages) => {
      const last = messages.at(-1)
      if (last?.role !== 'assistant')
        throw optionError('messages', 'a conversation that ends with an answer', messages)
      const { content, reasoning = '' } = last
      const raw = this.#lastAnswer?.messages === this.#messages ? this.#lastAnswer.raw : undefined
      return { messages: messages.slice(0, -1), begun: { content, reasoning, raw } }
    })
  }

  /**
   * Number of prompt tokens for `generate(prompt)`, template and conversation included, before anything is
   * left out or found in the cache. Without `prompt`, that of `messages`.
   */
  async countTokens(prompt?: string): Promise<number> {
    if (prompt !== undefined && typeof prompt !== 'string') throw optionError('prompt', 'a string', prompt)
    this.#closing.signal.throwIfAborted()
    const conversation = await this.#use()
    const messages = [...this.#withSystem(this.#messages, conversation)]
    if (prompt !== undefined) messages.push({ role: 'user', content: prompt })
    return messages.length === 0 ? 0 : conversation.countTokens(messages, this.#options.enableThinking)
  }

  /**
   * Writes the conversation to `file`, after the turns that have already started. `chatSession({ restore:
   * file })` continues it, also in another process of the same user on the same machine; elsewhere the
   * messages are read and evaluated again. The file is JSON, followed by the contents of the cache with
   * `state`. It is never left half written.
   *
   * @throws {@link SessionFileError} `ERR_SESSION_FILE` if it cannot be written, or would exceed 16 MiB apart
   * from the state
   */
  async save(file: FilePath, options?: SaveOptions): Promise<SavedSession> {
    const path = pathText(file, 'file')
    if (typeof path !== 'string' || path === '') throw optionError('file', 'the path of a file', file)
    return this.#save(resolve(path), options)
  }

  /** What `save()` would write now. */
  async savedSize(options?: SaveOptions): Promise<SavedSession> {
    return this.#save(undefined, options)
  }

  /** Ends a turn in progress with `ERR_CLOSED`; every later call rejects the same way. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('The chat session'))
    this.#opened?.close()
  }

  /** Calls `close()`; makes `await using` work. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What `console.log(session)` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: InspectOptions): string {
    const shown = { closed: this.#closing.signal.aborted, messages: this.messages }
    return `ChatSession ${inspect(shown, options)}`
  }

  #turn(turn: TurnOptions, ask: (messages: readonly ChatMessage[]) => TurnPrompt): Generation {
    const resolved = resolveGenerateOptions(turn.options)
    const options = {
      ...resolved,
      callback: markCallback(this, resolved.callback),
      onPromptProgress: markCallback(this, resolved.onPromptProgress),
    }
    const run: TurnEnd = { commit: undefined, leave: undefined }
    const reader = watchLoop(this)
    const source: EventSource = {
      start: (demand, signal) => this.#events(turn, ask, options, run, demand, signal),
      end: endOf(run, reader),
      reader,
    }
    return this.#model.start(source, options, this.#closing.signal)
  }

  async *#events(
    turn: TurnOptions,
    ask: (messages: readonly ChatMessage[]) => TurnPrompt,
    options: ResolvedGenerateOptions,
    run: TurnEnd,
    demand: Demand,
    signal: AbortSignal,
  ): EventStream {
    await this.#model.open()
    signal.throwIfAborted()
    // By now a callback that began this turn without waiting for it has returned.
    run.leave = await enterTurn(this, () => this.#turns.enter())
    if (signal.aborted) {
      run.leave()
      throw signal.reason
    }
    const conversation = await this.#use(signal)
    const before = this.#messages
    const asked = ask(this.#withSystem(before, conversation))
    const goesOn = asked.begun.raw !== undefined && this.#lastAnswer
    const enableThinking = goesOn
      ? goesOn.enableThinking
      : (turn.enableThinking ?? this.#options.enableThinking)
    const { maxTokens, stop } = options
    const { defaultStops } = this.#options
    const request = { ...asked, enableThinking, maxTokens, stop, defaultStops }
    const transcript = new Transcript()
    for await (const event of conversation.turn(request, options, demand, signal)) {
      if (event.type === 'delta') transcript.add(event)
      else if (event.type === 'prompt' && event.fits)
        run.commit = (made) => this.#commit(conversation, before, request, made, transcript)
      yield event
    }
  }

  async #commit(
    conversation: Conversation,
    before: readonly ChatMessage[],
    { begun, messages, enableThinking }: TurnPrompt & { readonly enableThinking: boolean },
    { text, reasoning, tokens }: PartialResult,
    transcript: Transcript,
  ): Promise<void> {
    if (this.#messages !== before) return // they were replaced meanwhile
    const thoughts = begun.reasoning + reasoning
    const answer: ChatMessage = {
      role: 'assistant',
      content: begun.content + text,
      ...(thoughts !== '' && { reasoning: thoughts }),
    }
    const after = [...messages, answer]
    this.#messages = after
    this.#lastAnswer = undefined
    const { raw, isWhole } = transcript.of(tokens.length)
    const contents = reasoning === '' ? [text] : [text, reasoning]
    const canGoOn = await conversation.commit({ raw, tokens: isWhole ? tokens : undefined, contents })
    const beginning = begun.raw ?? (begun.content === '' && begun.reasoning === '' ? '' : undefined)
    if (canGoOn && beginning !== undefined)
      this.#lastAnswer = { messages: after, raw: beginning + raw, enableThinking }
  }

  // Waits for the turns that began before.
  async #save(file: string | undefined, options: SaveOptions | undefined): Promise<SavedSession> {
    const checked = resolveSaveOptions(options)
    const leave = await enterTurn(this, () => this.#turns.enter())
    try {
      this.#closing.signal.throwIfAborted()
      const conversation = await this.#use()
      const messages = this.#messages
      const { raw, enableThinking } = this.#lastAnswer?.messages === messages ? this.#lastAnswer : {}
      const lastAnswer =
        raw !== undefined && enableThinking !== undefined ? { raw, enableThinking } : undefined
      const snapshot = { model: this.#model.name, messages, ownSystem: this.#ownSystem, lastAnswer }
      return await conversation.save(file, snapshot, checked)
    } finally {
      leave()
    }
  }

  #use(awaitedBy?: AbortSignal): Promise<Conversation> {
    this.#opening ??= this.#open(awaitedBy)
    this.#opening.catch(() => {
      this.#opening = undefined // the next one tries again
    })
    return this.#opening
  }

  async #open(awaitedBy: AbortSignal | undefined): Promise<Conversation> {
    const { template, overflow, reasoning } = this.#options
    const restored = this.#restored
    const model = await this.#model.open()
    const options = { template, overflow, reasoning, restore: restored }
    const conversation = await model.conversation(options, awaitedBy)
    if (restored && conversation.isRestored) {
      const { lastAnswer, messages } = restored.chat
      if (lastAnswer && messages === this.#messages) this.#lastAnswer = { ...lastAnswer, messages }
      if (messages !== this.#messages) conversation.reset()
    }
    this.#restored = undefined
    this.#opened = conversation
    return conversation
  }

  // A catalog's system prompt becomes part of the conversation with its first turn.
  #withSystem(messages: readonly ChatMessage[], conversation: Conversation): readonly ChatMessage[] {
    return this.#ownSystem ? messages : withSystem(messages, conversation)
  }
}
