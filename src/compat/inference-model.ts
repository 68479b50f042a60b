import { inspect } from 'node:util'
import { Queue } from '../core/async.ts'
import { DEFAULT_PROMPT_CONTEXT } from './common/constants.ts'
import { given, positionOf, withTemp } from './common/options.ts'
import type {
  ChatMessage,
  ChatSessionOptions,
  CompletionInput,
  CompletionOptions,
  CompletionProvider,
  InferenceResult,
  LLModelPromptContext,
  ModelConfig,
} from './common/types.ts'
import { type InferenceOptions, START, TRANSCRIPT } from './inference/inference.ts'
import { turnsOf } from './inference/messages.ts'
import { bringsFormat, type OwnTemplate } from './inference/template.ts'
import { Transcript } from './inference/transcript.ts'
import type { LLModel } from './llmodel.ts'

/** A template that puts nothing behind the prompt. */
const BARE = '%1%2'

/** A model that completes texts. */
export class InferenceModel implements CompletionProvider {
  llm: LLModel
  modelName: string
  /** Templates for the model; assign to change them. */
  config: ModelConfig
  activeChatSession?: ChatSession
  /** The system prompt that the model came with. */
  readonly #systemPrompt: string
  readonly #own: OwnTemplate | undefined

  constructor(llm: LLModel, config: ModelConfig, own?: OwnTemplate) {
    this.llm = llm
    this.config = config
    this.modelName = llm.name()
    this.#systemPrompt = config.systemPrompt
    this.#own = own
  }

  /** Starts a conversation, which becomes the active one: an older session must be initialized again to go on. */
  async createChatSession(options?: ChatSessionOptions): Promise<ChatSession> {
    const session = new ChatSession(this, options)
    await session.initialize()
    return session
  }

  /**
   * Completes a text, or answers the last of several messages, of which the first may be a system message. Nothing is kept
   * of earlier calls but the first `nPast` tokens, for a text.
   *
   * @throws {Error} if `nPast` is less than 0 or more than the model has read, or the last message is not the user's
   */
  async generate(
    input: CompletionInput,
    options: CompletionOptions = DEFAULT_PROMPT_CONTEXT,
  ): Promise<InferenceResult> {
    const { verbose, promptHeader, promptFooter, systemPromptTemplate, ...others } = withTemp(options)
    const own = others.promptTemplate
    const promptTemplate = (typeof own === 'string' ? own : this.config.promptTemplate) || '%1'
    const request: InferenceOptions = {
      ...others,
      promptTemplate: withFooter(promptTemplate, promptFooter),
      [START]: this.#own?.start,
    }
    if (verbose) tell('Generating completion', { input, promptContext: request })
    const shape = { promptHeader, systemPromptTemplate, promptTemplate }
    const result = Array.isArray(input)
      ? await this.#answer(input, request, shape)
      : await this.#complete(input, request, shape)
    if (verbose) tell('Finished completion:', result)
    return result
  }

  /** @internal Reads a system prompt, special tokens included. */
  ingestSystem(text: string, options: InferenceOptions): Promise<InferenceResult> {
    const own = this.#own
    const isOwn = own !== undefined && text === own.systemPrompt
    // A plain text is written as the model knows it, where that is known.
    const isPlain = own !== undefined && !isOwn && !bringsFormat(text)
    const whole = isPlain ? own.systemTemplate.split('%1').join(text) : text
    const request: InferenceOptions = {
      ...given(options),
      promptTemplate: isPlain || isOwn ? BARE : '%1',
      nPast: 0,
      nPredict: 0,
      special: true,
      [START]: own?.start,
    }
    return this.llm.infer(whole, request)
  }

  async #complete(input: string, request: InferenceOptions, shape: Shape): Promise<InferenceResult> {
    if (!shape.promptHeader) return this.llm.infer(input, request)
    const header = await this.ingestSystem(shape.promptHeader, request)
    const result = await this.llm.infer(input, { ...request, nPast: header.nPast })
    return { ...result, tokensIngested: result.tokensIngested + header.tokensIngested }
  }

  async #answer(
    messages: readonly ChatMessage[],
    request: InferenceOptions,
    shape: Shape,
  ): Promise<InferenceResult> {
    if (messages.at(-1)?.role !== 'user') throw new Error("The final message must be of role 'user'.")
    const { system, rest } = this.#systemOf(messages, shape)
    const { turns, last = '' } = turnsOf(rest)
    let nPast = 0
    let tokensIngested = 0
    if (system !== '') {
      const read = await this.ingestSystem(system, request)
      nPast = read.nPast
      tokensIngested += read.tokensIngested
    }
    for (const { user, assistant } of turns) {
      const read = await this.llm.infer(user, { ...request, nPast, fakeReply: assistant } as InferenceOptions)
      nPast = read.nPast
      tokensIngested += read.tokensIngested
    }
    const result = await this.llm.infer(last, { ...request, nPast })
    return { ...result, tokensIngested: result.tokensIngested + tokensIngested }
  }

  /** What comes before a conversation, and its messages without it. */
  #systemOf(messages: readonly ChatMessage[], { promptHeader, systemPromptTemplate }: Shape): System {
    const isSystem = ({ role }: ChatMessage) => role === 'system'
    const parts = promptHeader ? [promptHeader] : []
    if (systemPromptTemplate) {
      const texts = messages.filter(isSystem).map(({ content }) => content)
      if (texts.length > 0) parts.push(systemPromptTemplate.split('%1').join(texts.join('\n')))
      return { system: parts.join('\n\n'), rest: messages.filter((message) => !isSystem(message)) }
    }
    const first = messages[0]?.role === 'system' ? messages[0] : undefined
    // Version 3 puts it before every conversation, version 4 before sessions: programs that set it want it.
    const { systemPrompt } = this.config
    const own = systemPrompt === this.#systemPrompt ? '' : systemPrompt
    const text = first?.content ?? own
    if (text) parts.push(text)
    return { system: parts.join('\n\n'), rest: first ? messages.slice(1) : messages }
  }

  /** Frees the model. What is under way fails; a second call does nothing. */
  dispose(): void {
    this.llm.dispose()
  }
}

/** A conversation with a model, which can have one active session at a time. */
export class ChatSession implements CompletionProvider {
  model: InferenceModel
  modelName: string
  /** What was said so far, without a system message. */
  messages: ChatMessage[]
  /** Text before everything else, special tokens included. */
  systemPrompt: string
  /** Defaults of all turns, and `nPast`: how many tokens the conversation has. */
  promptContext: LLModelPromptContext
  initialized = false
  readonly #transcript = new Transcript()
  readonly #turns = new Queue()

  /** It becomes the model's active session by `initialize()`, which `createChatSession()` calls. */
  constructor(model: InferenceModel, options: ChatSessionOptions = {}) {
    const { messages, systemPrompt, ...defaults } = withTemp(options)
    this.model = model
    this.modelName = model.llm.name()
    this.messages = messages ?? []
    this.systemPrompt = systemPrompt ?? model.config.systemPrompt ?? ''
    this.promptContext = { ...DEFAULT_PROMPT_CONTEXT, ...defaults, nPast: 0 }
  }

  /**
   * Reads the system prompt and the messages anew, and makes this the model's active session. Resolves with the number of
   * tokens that were read.
   */
  async initialize(completionOpts: CompletionOptions = {}): Promise<number> {
    this.model.activeChatSession = this
    this.promptContext.nPast = 0
    let tokensIngested = 0
    if (this.systemPrompt) {
      const read = await this.model.ingestSystem(this.systemPrompt, {
        [TRANSCRIPT]: this.#transcript,
      })
      tokensIngested += read.tokensIngested
      this.promptContext.nPast = read.nPast
    }
    tokensIngested += await this.ingestMessages(this.messages, completionOpts)
    this.initialized = true
    return tokensIngested
  }

  /** Reads messages of the user and the answers to them. Resolves with the number of tokens that were read. */
  async ingestMessages(messages: ChatMessage[], completionOpts: CompletionOptions = {}): Promise<number> {
    let tokensIngested = 0
    for (const { user, assistant } of turnsOf(messages).turns) {
      const read = await this.model.generate(user, this.#with(completionOpts, { fakeReply: assistant }))
      tokensIngested += read.tokensIngested
      this.promptContext.nPast = read.nPast
    }
    return tokensIngested
  }

  /**
   * Answers a text, or the last of several messages, and adds both to the conversation.
   *
   * @throws {Error} if the model has another active session, or `nPast` is more than the conversation has
   */
  async generate(input: CompletionInput, completionOpts: CompletionOptions = {}): Promise<InferenceResult> {
    const leave = await this.#turns.enter()
    try {
      return await this.#turn(input, completionOpts)
    } finally {
      leave()
    }
  }

  async #turn(input: CompletionInput, completionOpts: CompletionOptions): Promise<InferenceResult> {
    if (this.model.activeChatSession !== this)
      throw new Error('Chat session is not active. Create a new chat session or call initialize to continue.')
    const nPast = positionOf(completionOpts) ?? this.promptContext.nPast
    if (nPast > this.promptContext.nPast)
      throw new Error(`nPast cannot be greater than ${this.promptContext.nPast}.`)
    this.promptContext.nPast = nPast
    let tokensIngested = this.initialized ? 0 : await this.initialize(completionOpts)

    let prompt = input
    if (Array.isArray(prompt)) {
      const { history, last } = turnsOf(prompt)
      tokensIngested += await this.ingestMessages(history, completionOpts)
      this.messages.push(...history)
      if (!last) return { text: '', nPast: this.promptContext.nPast, tokensIngested, tokensGenerated: 0 }
      prompt = last
    }
    const result = await this.model.generate(prompt, this.#with(completionOpts))
    this.promptContext.nPast = result.nPast
    this.messages.push({ role: 'user', content: prompt }, { role: 'assistant', content: result.text })
    return { ...result, tokensIngested: result.tokensIngested + tokensIngested }
  }

  #with(options: CompletionOptions, more: Partial<InferenceOptions> = {}): InferenceOptions {
    const { nPast } = this.promptContext
    const turn = { ...given(this.promptContext), ...withTemp(options), nPast }
    return { ...turn, ...more, [TRANSCRIPT]: this.#transcript }
  }
}

type Shape = {
  readonly promptHeader: string | undefined
  readonly systemPromptTemplate: string | undefined
  readonly promptTemplate: string
}

type System = { readonly system: string; readonly rest: readonly ChatMessage[] }

/** Version 3 puts a footer behind the whole prompt. */
function withFooter(template: string, footer: string | undefined): string {
  if (!footer) return template
  const answer = template.indexOf('%2')
  return answer < 0
    ? `${template}\n\n${footer}`
    : `${template.slice(0, answer)}\n\n${footer}${template.slice(answer)}`
}

function tell(what: string, value: unknown): void {
  process.stderr.write(`${what} ${inspect(value, { depth: 4 })}\n`)
}
