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
import {
  BEFORE,
  CONVERSATION,
  type Conversation,
  type InferenceOptions,
  type Reading,
  START,
} from './inference/inference.ts'
import { type Turn, turnsOf } from './inference/messages.ts'
import { bringsFormat, type OwnTemplate } from './inference/template.ts'
import { Transcript } from './inference/transcript.ts'
import type { LLModel } from './llmodel.ts'

/** A template that puts nothing behind the prompt. */
const BARE = '%1%2'

/** What a model came with. Not in the class: programs may put an object of their own in its place. */
type Origin = { readonly systemPrompt: string; readonly own: OwnTemplate | undefined }
const origins = new WeakMap<InferenceModel, Origin>()
/** The same of a session: what it has read, and its turns, one at a time. */
const sessions = new WeakMap<ChatSession, { readonly conversation: Conversation; readonly turns: Queue }>()

/** A model that completes texts. */
export class InferenceModel implements CompletionProvider {
  llm: LLModel
  modelName: string
  /** Templates for the model; assign to change them. */
  config: ModelConfig
  activeChatSession?: ChatSession

  constructor(llm: LLModel, config: ModelConfig, own?: OwnTemplate) {
    this.llm = llm
    this.config = config
    this.modelName = llm.name()
    origins.set(this, { systemPrompt: config.systemPrompt, own })
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
    const template = promptTemplateOf(this, others)
    if (verbose) tell('Generating completion', { input, ...named(others) })
    const shape = { promptHeader, systemPromptTemplate, template }
    const { prompt, before, ...place } = Array.isArray(input)
      ? conversationOf(this, input, shape)
      : { prompt: input, before: headerOf(this, others, shape) }
    const request: InferenceOptions = {
      ...others,
      ...place,
      promptTemplate: withFooter(template, promptFooter),
      [START]: origins.get(this)?.own?.start,
    }
    const known = request[BEFORE] ?? []
    const result = await this.llm.infer(prompt, {
      ...request,
      [BEFORE]: [...before, ...known],
    } as InferenceOptions)
    if (verbose) tell('Finished completion:', result)
    return result
  }

  /** Frees the model. What is under way fails; a second call does nothing. */
  dispose(): void {
    this.llm.dispose()
  }
}

function promptTemplateOf(model: InferenceModel, { promptTemplate }: CompletionOptions): string {
  return (typeof promptTemplate === 'string' ? promptTemplate : model.config.promptTemplate) || '%1'
}

/** How a system prompt is read: special tokens included, and a plain text as the model knows it, where that is known. */
function systemReading(model: InferenceModel, text: string): Reading {
  const own = origins.get(model)?.own
  const isOwn = own !== undefined && text === own.systemPrompt
  const isPlain = own !== undefined && !isOwn && !bringsFormat(text)
  const prompt = isPlain ? own.systemTemplate.split('%1').join(text) : text
  return { prompt, template: isPlain || isOwn ? BARE : '%1', special: true, isSystem: true }
}

/** Version 3 puts a header before everything; a conversation that goes on has it already. */
function headerOf(model: InferenceModel, options: CompletionOptions, { promptHeader }: Shape): Reading[] {
  return promptHeader && !positionOf(options) ? [systemReading(model, promptHeader)] : []
}

/** Messages as what is read and what is asked, from the beginning. */
function conversationOf(model: InferenceModel, messages: readonly ChatMessage[], shape: Shape) {
  if (messages.at(-1)?.role !== 'user') throw new Error("The final message must be of role 'user'.")
  const { system, rest } = systemOf(model, messages, shape)
  const { turns, last: prompt = '' } = turnsOf(rest)
  const before = system === '' ? [] : [systemReading(model, system)]
  return { prompt, nPast: 0, before: [...before, ...readingsOf(turns, shape.template)] }
}

function readingsOf(turns: readonly Turn[], template: string): Reading[] {
  return turns.map(({ user, assistant }) => ({ prompt: user, template, special: false, answer: assistant }))
}

/** What comes before a conversation, and its messages without it. */
function systemOf(
  model: InferenceModel,
  messages: readonly ChatMessage[],
  { promptHeader, systemPromptTemplate }: Shape,
): System {
  const isSystem = ({ role }: ChatMessage) => role === 'system'
  const parts = promptHeader ? [promptHeader] : []
  if (systemPromptTemplate) {
    const texts = messages.filter(isSystem).map(({ content }) => content)
    if (texts.length > 0) parts.push(systemPromptTemplate.split('%1').join(texts.join('\n')))
    return { system: parts.join('\n\n'), rest: messages.filter((message) => !isSystem(message)) }
  }
  const first = messages[0]?.role === 'system' ? messages[0] : undefined
  // Version 3 puts it before every conversation, version 4 before sessions: programs that set it want it.
  const { systemPrompt } = model.config
  const own = systemPrompt === origins.get(model)?.systemPrompt ? '' : systemPrompt
  const text = first?.content ?? own
  if (text) parts.push(text)
  return { system: parts.join('\n\n'), rest: first ? messages.slice(1) : messages }
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
  initialized?: boolean

  /** It becomes the model's active session by `initialize()`, which `createChatSession()` calls. */
  constructor(model: InferenceModel, options: ChatSessionOptions = {}) {
    const { messages, systemPrompt, ...defaults } = withTemp(options)
    this.model = model
    this.modelName = model.modelName
    this.messages = messages ?? []
    this.systemPrompt = systemPrompt ?? model.config.systemPrompt ?? ''
    this.promptContext = { ...DEFAULT_PROMPT_CONTEXT, ...defaults, nPast: 0 }
    this.initialized = false
    sessions.set(this, { conversation: { transcript: new Transcript() }, turns: new Queue() })
  }

  /**
   * Reads the system prompt and the messages anew, and makes this the model's active session. Resolves with the number of
   * tokens that were read.
   */
  initialize(completionOpts: CompletionOptions = {}): Promise<number> {
    this.model.activeChatSession = this
    return inTurn(this, () => initialize(this, completionOpts))
  }

  /** Reads messages of the user and the answers to them. Resolves with the number of tokens that were read. */
  ingestMessages(messages: ChatMessage[], completionOpts: CompletionOptions = {}): Promise<number> {
    return inTurn(this, () => read(this, turnsOf(messages).turns, [], completionOpts))
  }

  /**
   * Answers a text, or the last of several messages, and adds both to the conversation.
   *
   * @throws {Error} if the model has another active session, or `nPast` is more than the conversation has
   */
  generate(input: CompletionInput, completionOpts: CompletionOptions = {}): Promise<InferenceResult> {
    return inTurn(this, () => answer(this, input, completionOpts))
  }
}

async function inTurn<T>(session: ChatSession, work: () => Promise<T>): Promise<T> {
  const leave = await sessions.get(session)!.turns.enter()
  try {
    return await work()
  } finally {
    leave()
  }
}

async function initialize(session: ChatSession, options: CompletionOptions): Promise<number> {
  const { model, systemPrompt, messages } = session
  session.promptContext.nPast = 0
  const before = systemPrompt ? [systemReading(model, systemPrompt)] : []
  const tokensIngested = await read(session, turnsOf(messages).turns, before, options)
  session.initialized = true
  return tokensIngested
}

/** Reads turns behind what the session has read, or from the beginning. */
async function read(
  session: ChatSession,
  turns: readonly Turn[],
  before: readonly Reading[],
  options: CompletionOptions,
): Promise<number> {
  const { model, promptContext } = session
  const own = contextOf(session, options)
  const readings = [...before, ...readingsOf(turns, promptTemplateOf(model, own))]
  const request: InferenceOptions = { ...own, [BEFORE]: readings, [START]: origins.get(model)?.own?.start }
  const { tokensIngested, nPast } = await model.llm.read(undefined, request)
  promptContext.nPast = nPast
  return tokensIngested
}

async function answer(
  session: ChatSession,
  input: CompletionInput,
  options: CompletionOptions,
): Promise<InferenceResult> {
  const { model, promptContext, messages } = session
  if (model.activeChatSession !== session)
    throw new Error('Chat session is not active. Create a new chat session or call initialize to continue.')
  const nPast = positionOf(options) ?? promptContext.nPast
  if (nPast > promptContext.nPast) throw new Error(`nPast cannot be greater than ${promptContext.nPast}.`)
  const ingested = session.initialized ? 0 : await initialize(session, options)

  const { turns, history, last } = Array.isArray(input)
    ? turnsOf(input)
    : { turns: [], history: [], last: input }
  const request = contextOf(session, options)
  if (last === undefined) {
    const tokensIngested = ingested + (await read(session, turns, [], options))
    messages.push(...history)
    return { text: '', nPast: promptContext.nPast, tokensIngested, tokensGenerated: 0 }
  }
  const before = readingsOf(turns, promptTemplateOf(model, request))
  const result = await model.generate(last, { ...request, [BEFORE]: before } as InferenceOptions)
  promptContext.nPast = result.nPast
  messages.push(...history, { role: 'user', content: last }, { role: 'assistant', content: result.text })
  return { ...result, tokensIngested: result.tokensIngested + ingested }
}

/** The session's defaults and the options of a turn. */
function contextOf(session: ChatSession, options: CompletionOptions): InferenceOptions {
  const { promptContext } = session
  const nPast = Math.min(positionOf(options) ?? promptContext.nPast, promptContext.nPast)
  const { conversation } = sessions.get(session)!
  return { ...given(promptContext), ...withTemp(options), nPast, [CONVERSATION]: conversation }
}

type Shape = {
  readonly promptHeader: string | undefined
  readonly systemPromptTemplate: string | undefined
  readonly template: string
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

/** The options that programs give, without our own. */
const named = (options: CompletionOptions) => Object.fromEntries(Object.entries(options))

function tell(what: string, value: unknown): void {
  process.stderr.write(`${what} ${inspect(value, { depth: 4 })}\n`)
}
