import type {
  ChatMessage,
  ChatSession,
  Generation,
  GPT4All,
  TokenLogprob,
  TokenProbability,
} from '../../index.ts'
import type { Bodies } from '../body/body.ts'
import { badParameter } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { ModelPool } from '../models/pool.ts'
import type { ResolvedServerOptions } from '../options.ts'
import { type AnswerFormat, answer, finishReasonOf } from './answer.ts'
import { choicesOf } from './choices.ts'
import { samplingOf } from './sampling.ts'
import { type ChatRequest, readChatRequest } from './schema.ts'

/** `POST /v1/chat/completions` */
export async function chatCompletions(
  request: Request,
  exchange: Exchange,
  pool: ModelPool,
  bodies: Bodies,
  options: ResolvedServerOptions,
): Promise<Response> {
  pool.refuseAny()
  const chat = await bodies.read(request, exchange, (body) => readChatRequest(body, options.maxMessages))
  const { systemPrompt, chatTemplate } = options
  const messages = withSystem(messagesOf(chat), systemPrompt)
  const count = choicesOf(chat.n, 1, options.maxChoices)
  const logprobs = logprobsOf(chat)
  const { id, model, release } = await pool.use(chat.model ?? undefined, count, exchange.signal)
  exchange.uses(id, release)
  exchange.notePrompt(chat.messages)
  const asked = chat.max_completion_tokens ?? chat.max_tokens ?? options.defaults.maxTokens
  const generations = Array.from({ length: count }, (_, choice) => {
    const sampling = samplingOf(chat, choice, asked ?? Number.POSITIVE_INFINITY, options)
    return speak(model, messages, chat, chatTemplate, { ...sampling, logprobs, signal: exchange.signal })
  })
  return answer(generations, FORMAT, exchange, {
    model: id,
    streams: chat.stream ?? false,
    includesUsage: chat.stream_options?.include_usage ?? false,
    choicesPerPrompt: count,
    stallTimeout: options.stallTimeout,
  })
}

// The last message is the question, or the beginning of the answer.
function speak(
  model: GPT4All,
  messages: readonly ChatMessage[],
  { chat_template_kwargs: kwargs, reasoning_effort: effort }: ChatRequest,
  chatTemplate: string | undefined,
  sampling: Parameters<ChatSession['regenerate']>[0],
): Generation {
  const enableThinking = kwargs?.enable_thinking ?? effort !== 'none'
  const session = model.chatSession({
    messages,
    enableThinking,
    overflow: 'error',
    ...(chatTemplate !== undefined && { chatTemplate }),
  })
  return messages.at(-1)?.role === 'user' ? session.regenerate(sampling) : session.continue(sampling)
}

function withSystem(
  messages: readonly ChatMessage[],
  systemPrompt: string | undefined,
): readonly ChatMessage[] {
  if (systemPrompt === undefined || messages[0]?.role === 'system') return messages
  return [{ role: 'system', content: systemPrompt }, ...messages]
}

function messagesOf({ messages }: ChatRequest): readonly ChatMessage[] {
  const last = messages.at(-1)!.role
  if (last !== 'user' && last !== 'assistant')
    throw badParameter(
      'messages',
      'The last of "messages" must come from the user, or be the beginning of the assistant\'s answer.',
    )
  if (!messages.some(({ role }) => role === 'user'))
    throw badParameter('messages', '"messages" must contain a message from the user.')
  return messages.map(({ role, content, reasoning_content: reasoning }, i) => {
    if ((role === 'system' || role === 'developer') && i > 0)
      throw badParameter(
        `messages[${i}].role`,
        'Only the first of "messages" may have the role "system" or "developer".',
      )
    const text = typeof content === 'string' ? content : content.map((part) => part.text).join('\n')
    return {
      role: role === 'developer' ? 'system' : role,
      content: text,
      ...(role === 'assistant' && reasoning && { reasoning }),
    }
  })
}

function logprobsOf({ logprobs, top_logprobs: top }: ChatRequest): number | undefined {
  if (typeof top === 'number' && !logprobs)
    throw badParameter('top_logprobs', '"top_logprobs" needs "logprobs": true.')
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
