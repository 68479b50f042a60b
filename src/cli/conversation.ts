import { type JsonLimits, parseWithin } from '../core/json-shape.ts'
import { RegularFile } from '../core/regular-file.ts'
import { writeWhole } from '../core/whole-file.ts'
import {
  type ChatMessage,
  type ChatSession,
  checkGenerateOptions,
  type GenerateOptions,
  type Generation,
  type GenerationResult,
  type GPT4All,
} from '../index.ts'
import { table } from './terminal.ts'

const HELP: readonly (readonly [string, string])[] = [
  ['/help', 'show this list'],
  ['/system [text]', 'show the system prompt, or set it and start again'],
  ['/model [name]', 'show the model, or continue with another'],
  ['/continue', 'go on with the last answer'],
  ['/regenerate', 'answer again'],
  ['/set [option value]', 'show the options of answers, or set one: /set temp 0.2, /set temp default'],
  ['/reset', 'forget the conversation'],
  ['/save <file>', 'write the conversation as JSON'],
  ['/load <file>', 'continue a saved conversation'],
  ['/stats', 'show the speed of the last answer, and how full the context is'],
  ['/exit', 'leave; /bye, Ctrl-D and Ctrl-C twice do the same'],
]
const MULTI_LINE =
  'A line that ends in \\ continues on the next line. """ begins and ends a message of several lines. Ctrl-C stops an answer.'

/** What a command line needs of each answer. */
type Watch = Required<Pick<GenerateOptions, 'onPromptProgress' | 'signal'>>

/** A chat whose model may be exchanged, and its commands. */
export class ChatConversation {
  #model: GPT4All
  readonly #open: (name: string) => Promise<GPT4All>
  #options: GenerateOptions
  #session: ChatSession
  #system: string | undefined
  #last: GenerationResult | undefined

  constructor(
    model: GPT4All,
    open: (name: string) => Promise<GPT4All>,
    options: GenerateOptions,
    system: string | undefined,
  ) {
    this.#model = model
    this.#open = open
    this.#options = options
    this.#system = system
    this.#session = this.#begin([])
  }

  /** Without a limit of the user's, an answer goes on until the context is full. */
  #asked(watch: Watch): GenerateOptions {
    return { maxTokens: Number.POSITIVE_INFINITY, ...this.#options, ...watch }
  }

  get name(): string {
    return this.#model.name
  }

  say(message: string, watch: Watch): Generation {
    return this.#session.generate(message, this.#asked(watch))
  }

  /** The generation that a command asks for; `undefined` for any other command. */
  answerTo(command: string, watch: Watch): Generation | undefined {
    if (command === 'continue' && this.#session.messages.at(-1)?.role !== 'assistant')
      throw new Error('There is no answer to go on with.')
    if (command === 'continue') return this.#session.continue(this.#asked(watch))
    return command === 'regenerate' ? this.#session.regenerate(this.#asked(watch)) : undefined
  }

  /** Returns what there is to say about the answer. */
  noteResult(result: GenerationResult): string | undefined {
    this.#last = result
    const { contextSize } = this.#model
    const cut = cutBy(result, contextSize)
    return cut && `${cut} ${isFull(result, contextSize) ? '/reset begins anew.' : '/continue goes on.'}`
  }

  /** Runs the command `/name rest`; resolves with the text to show. */
  async command(name: string, rest: string): Promise<string> {
    switch (name) {
      case 'help':
      case '?':
        return `${table(HELP)}\n${MULTI_LINE}`
      case 'system':
        return this.#setSystem(rest)
      case 'model':
        return rest === '' ? `${this.name}, ${this.#model.config?.description}` : this.#exchange(rest)
      case 'set':
        return this.#set(rest)
      case 'reset':
      case 'clear':
        await this.#beginAnew()
        return 'The conversation is forgotten.'
      case 'save':
        return this.#save(rest)
      case 'load':
        return this.load(rest)
      case 'stats':
        return this.#stats()
      default:
        return `There is no command /${name}. /help lists the commands.`
    }
  }

  async load(file: string): Promise<string> {
    if (file === '') return 'Name a file: /load <file>'
    const session = await restored(this.#model, file)
    await this.#session.close()
    this.#session = session
    const { messages } = session
    this.#system = messages[0]?.role === 'system' ? messages[0].content : undefined
    return `${counted(messages)} loaded.`
  }

  async close(): Promise<void> {
    await this.#model.close()
  }

  async #beginAnew(): Promise<void> {
    const past = this.#session
    this.#session = this.#begin([])
    await past.close()
  }

  #begin(messages: readonly ChatMessage[]): ChatSession {
    if (messages.length > 0) return this.#model.chatSession({ messages })
    return this.#model.chatSession(this.#system === undefined ? {} : { systemPrompt: this.#system })
  }

  async #setSystem(text: string): Promise<string> {
    if (text === '') return this.#system ?? 'There is no system prompt.'
    this.#system = text
    await this.#beginAnew()
    return 'The system prompt is set. The conversation starts again.'
  }

  #set(text: string): string {
    const [given = '', ...words] = text.split(/\s+/)
    const options = Object.entries(this.#options).map(([name, value]) => `${name} ${value}`)
    if (given === '') return options.length > 0 ? options.join('\n') : 'All options have their defaults.'
    const name = given.replace(/^-+/, '').replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const value = words.join(' ')
    if (Object.hasOwn(ELSEWHERE, name)) return `${name} cannot be set here: ${ELSEWHERE[name]}`
    const { [name as keyof GenerateOptions]: before, ...others } = this.#options
    checkGenerateOptions({ ...others, [name]: parsed(value) })
    if (value === '') return before === undefined ? `${name} has its default.` : `${name} is ${before}.`
    this.#options = value === DEFAULT ? others : { ...others, [name]: parsed(value) }
    return value === DEFAULT ? `${name} has its default again.` : `${name} is ${value}.`
  }

  async #exchange(name: string): Promise<string> {
    const next = await this.#open(name)
    const past = { model: this.#model, session: this.#session }
    this.#model = next
    try {
      this.#session = this.#begin(past.session.messages)
    } catch (error) {
      this.#model = past.model
      await next.close()
      throw error
    }
    await past.model.close()
    return `${this.name}, ${next.config?.description}. The conversation continues.`
  }

  async #save(file: string): Promise<string> {
    if (file === '') return 'Name a file: /save <file>'
    const { messages } = this.#session
    await writeWhole(file, [`${JSON.stringify({ model: this.name, messages }, undefined, 2)}\n`])
    return `${counted(messages)} saved to ${file}.`
  }

  async #stats(): Promise<string> {
    const used = await this.#session.countTokens()
    const size = this.#model.contextSize
    const context = `context  ${used} of ${size} tokens (${Math.round((100 * used) / size)} %)`
    if (!this.#last) return context
    const { usage, timings } = this.#last
    const cut = cutBy(this.#last, size)
    return [
      `answer   ${usage.completionTokens} tokens, ${timings.tokensPerSecond.toFixed(1)} tokens/s`,
      ...(cut ? [`         ${cut}`] : []),
      `prompt   ${usage.promptTokens} tokens, ${usage.cachedTokens} of them cached; first token after ${(timings.promptMs / 1000).toFixed(2)} s`,
      context,
    ].join('\n')
  }
}

/** Why an answer is not complete; `undefined` where it is. */
export function cutBy(result: GenerationResult, contextSize: number): string | undefined {
  if (result.finishReason !== 'length') return undefined
  return isFull(result, contextSize)
    ? `It ends because the context of ${contextSize} tokens is full (--n-ctx).`
    : `It ends after ${result.usage.completionTokens} tokens, the most that it may have (--max-tokens).`
}

function isFull({ usage }: GenerationResult, contextSize: number): boolean {
  return usage.promptTokens + usage.completionTokens >= contextSize
}

/** What `/set` takes for "as if it had never been set". */
const DEFAULT = 'default'
const OF_PROGRAMS = 'it is for programs.'
const OF_THE_MODEL = 'it is set when the program starts; see --help.'
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['callback', 'onPromptProgress', 'signal', 'streaming'].map((name) => [name, OF_PROGRAMS]),
  ),
  ...Object.fromEntries(['nCtx', 'nThreads', 'device', 'ngl', 'kvType'].map((name) => [name, OF_THE_MODEL])),
}

/** A number, true, false, a text, or none. */
function parsed(text: string): unknown {
  if (text === '' || text === DEFAULT) return undefined
  if (/^infinity$/i.test(text)) return Number.POSITIVE_INFINITY
  if (text === 'true' || text === 'false') return text === 'true'
  return Number.isNaN(Number(text)) ? text : Number(text)
}

const counted = ({ length }: readonly ChatMessage[]) => `${length} ${length === 1 ? 'message' : 'messages'}`

/** How files saved by the library itself begin. */
const OF_LIBRARY = '{"format":"gpt4all-ts session"'

/** More than any conversation has, as for files that the library saves. */
const MOST_BYTES = 2 ** 24
const LIMITS: JsonLimits = { depth: 16, parts: 100_000, numbers: 10_000 }

/** The bytes of a file; `undefined` if the library saved it, and so must read it: it may contain a cache. */
async function conversationIn(path: string): Promise<Buffer | undefined> {
  const file = await RegularFile.open(path, (why, cause) =>
    cause?.code === 'ENOENT' ? cause : new Error(`${path} ${why}.`),
  )
  try {
    const beginning = Buffer.alloc(OF_LIBRARY.length)
    await file.fill(beginning, 0)
    if (beginning.toString() === OF_LIBRARY) return undefined
    return await file.readAll(MOST_BYTES)
  } finally {
    await file.close()
  }
}

/** Restores what `/save`, the chat page or `session.save()` has written, or a list of messages. */
async function restored(model: GPT4All, file: string): Promise<ChatSession> {
  const text = await conversationIn(file)
  if (text === undefined) return model.chatSession({ restore: file })
  let saved: { messages?: unknown } | unknown[] | null
  try {
    saved = parseWithin(text, LIMITS, (what) => new Error(`it has ${what}`)) as typeof saved
  } catch (error) {
    throw new Error(`${file} is not a saved conversation: ${(error as Error).message}`)
  }
  const messages = Array.isArray(saved) ? saved : saved?.messages
  if (!Array.isArray(messages)) throw new Error(`${file} is not a saved conversation: it has no messages.`)
  try {
    return model.chatSession({ messages })
  } catch (error) {
    throw new Error(`${file} is not a saved conversation: ${(error as Error).message}`)
  }
}
