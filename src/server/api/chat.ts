import type {
  ChatMessage,
  ChatSession,
  Generation,
  GPT4All,
  TokenLogprob,
  TokenProbability,
} from '../../index.ts'
import { badParameter } from '../errors.ts'
import { type AnswerFormat, answer, finishReasonOf } from './answer.ts'
import { choicesOf } from './choices.ts'
import { askedOf, type RouteCall } from './route.ts'
import { samplingOf } from './sampling.ts'
import { type ChatRequest, readChatRequest } from './schema.ts'

/** `POST /v1/chat/completions` */
export async function chatCompletions(call: RouteCall): Promise<Response> {
  const { exchange, pool, options } = call
  const chat = await askedOf(call, (body, unknown) => readChatRequest(body, options.maxMessages, unknown))
  const { systemPrompt, chatTemplate } = options
  const messages = withSystem(chat.messages, systemPrompt)
  const count = choicesOf(chat.n, 1, options.maxChoices)
  const logprobs = logprobsOf(chat)
  const { id, model, release } = await pool.use(chat.model || undefined, count, exchange.signal)
  exchange.uses(id, release)
  exchange.notePrompt(chat.messages)
  const asked = chat.max_completion_tokens ?? chat.max_tokens ?? options.defaults.maxTokens
  const vocabularySize = model.config?.vocabularySize
  const generations = Array.from({ length: count }, (_, choice) => {
    const sampling = samplingOf(chat, choice, asked ?? Number.POSITIVE_INFINITY, options, vocabularySize)
    return speak(model, messages, chat, chatTemplate, { ...sampling, logprobs, signal: exchange.signal })
  })
  return answer(generations, FORMAT, exchange, {
    model: id,
    streams: chat.stream ?? false,
    includesUsage: chat.stream_options?.include_usage ?? false,
    choicesPerPrompt: count,
    stallTimeout: options.stallTimeout,
    pingInterval: options.pingInterval,
  })
}

// The last message is the question, or the beginning of the answer.
function speak(
  model: GPT4All,
  messages: readonly ChatMessage[],
  chat: ChatRequest,
  chatTemplate: string | undefined,
  sampling: Parameters<ChatSession['regenerate']>[0],
): Generation {
  const session = model.chatSession({
    messages,
    enableThinking: mayThink(chat),
    overflow: 'error',
    ...(chatTemplate !== undefined && { chatTemplate }),
  })
  const isBegun = messages.at(-1)?.role === 'assistant'
  return isBegun ? session.continue(sampling) : session.regenerate(sampling)
}

/** Each server and each model family has its own switch; thinking is off if any is. */
function mayThink(chat: ChatRequest): boolean {
  const { chat_template_kwargs: kwargs, reasoning, thinking, think } = chat
  const switches = [
    kwargs?.enable_thinking,
    kwargs?.thinking,
    chat.enable_thinking,
    reasoning?.enabled,
    think,
  ]
  const isOff = switches.includes(false) || thinking?.type === 'disabled'
  return !isOff && ![chat.reasoning_effort, reasoning?.effort].includes('none')
}

function withSystem(
  messages: readonly ChatMessage[],
  systemPrompt: string | undefined,
): readonly ChatMessage[] {
  if (systemPrompt === undefined || messages.some(({ role }) => role === 'system')) return messages
  return [{ role: 'system', content: systemPrompt }, ...messages]
}

function logprobsOf({ logprobs, top_logprobs: top }: ChatRequest): number | undefined {
  if (top && !logprobs) throw badParameter('top_logprobs', '"top_logprobs" needs "logprobs": true.')
  return logprobs ? (top ?? 0) : undefined
}

const FORMAT: AnswerFormat = {
  prefix: 'chatcmpl',
  whole: 'chat.completion',
  chunk: 'chat.completion.chunk',
  choice: (result, index) => ({
    index,
    message: {
      role: 'assistant',
      content: result.text,
      refusal: null,
      ...(result.reasoning && { reasoning_content: result.reasoning }),
    },
    logprobs: logprobsObject(result.logprobs),
    finish_reason: finishReasonOf(result),
  }),
  begin: (index) => ({
    index,
    delta: { role: 'assistant', content: '' },
    logprobs: null,
    finish_reason: null,
  }),
  piece: ({ channel, text, logprobs }, index) => ({
    index,
    delta: channel === 'answer' ? { content: text } : { reasoning_content: text },
    logprobs: logprobsObject(logprobs),
    finish_reason: null,
  }),
  end: (result, index, rest) => ({
    index,
    delta: {},
    logprobs: logprobsObject(rest),
    finish_reason: finishReasonOf(result),
  }),
}

function logprobsObject(list: readonly TokenLogprob[] | undefined): object | null {
  if (!list) return null
  const one = ({ text, bytes, logprob }: TokenProbability) => ({ token: text, logprob, bytes })
  const content = list.map((token) => ({ ...one(token), top_logprobs: token.top.map(one) }))
  return { content, refusal: null }
}
