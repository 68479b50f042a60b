import type { ChatMessage } from '../../index.ts'
import { badParameter } from '../errors.ts'
import { checkMessage, type Sent, type UnknownFields, unsupportedPart } from './fields.ts'

const ROLES: Readonly<Record<string, ChatMessage['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
}

/** What a message may have; what our own answers contain beside it must be taken back. */
const KNOWN = {
  ...{ role: true, content: true, name: true, reasoning_content: true, reasoning: true, refusal: true },
  ...{ tool_calls: true, function_call: true, images: true, audio: true, annotations: true },
}
const KNOWN_IN_PART = { type: true, text: true, refusal: true, thinking: true, reasoning: true }

const PLAIN: readonly unknown[] = [undefined, null, 'text', 'input_text', 'output_text']
const THOUGHT: readonly unknown[] = ['thinking', 'reasoning']

type Text = { readonly content: string; readonly reasoning: string }

const wrong = (param: string, problem: string, code: string) =>
  badParameter(param, `"${param}" ${problem}.`, code)

/**
 * The conversation of a request.
 * @throws {ApiError} 400 for anything but messages, for more than `most`, and for what is not supported yet
 */
export function readMessages(sent: unknown, most: number, unknown: UnknownFields): readonly ChatMessage[] {
  if (sent === undefined || sent === null)
    throw wrong('messages', 'is required', 'missing_required_parameter')
  if (!Array.isArray(sent)) throw wrong('messages', 'must be an array of messages', 'invalid_type')
  if (sent.length === 0) throw wrong('messages', 'must not be empty', 'invalid_value')
  checkCount('messages', sent, most)
  return sent.map((message, i) => readMessage(message, i, unknown))
}

/** Runs before the entries are looked at: there may be too many to check in passing. */
export function checkCount(param: string, { length }: readonly unknown[], most: number): void {
  if (length > most)
    throw badParameter(
      param,
      `"${param}" has ${length} entries; at most ${most} are accepted.`,
      'array_above_max_length',
    )
}

function readMessage(message: unknown, i: number, unknown: UnknownFields): ChatMessage {
  const path = `messages[${i}]`
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw wrong(path, 'must be an object with role and content', 'invalid_type')
  checkMessage(message, i)
  unknown.noteOthers(message, KNOWN, path)
  const { role: sentRole, content, reasoning_content, reasoning } = message as Sent
  if (sentRole === undefined) throw wrong(`${path}.role`, 'is required', 'missing_required_parameter')
  const role = typeof sentRole === 'string' && Object.hasOwn(ROLES, sentRole) ? ROLES[sentRole] : undefined
  if (role === undefined)
    throw wrong(`${path}.role`, 'must be system, developer, user or assistant', 'invalid_value')
  if (content === undefined && role !== 'assistant')
    throw wrong(`${path}.content`, 'is required', 'missing_required_parameter')
  const text = readContent(content, role, `${path}.content`, unknown)
  const thoughts = [reasoning, reasoning_content, text.reasoning].find(
    (one) => typeof one === 'string' && one !== '',
  )
  return {
    role,
    content: text.content,
    ...(role === 'assistant' && typeof thoughts === 'string' && { reasoning: thoughts }),
  }
}

function readContent(content: unknown, role: string, path: string, unknown: UnknownFields): Text {
  if (typeof content === 'string') return { content, reasoning: '' }
  if (role === 'assistant' && (content === null || content === undefined))
    return { content: '', reasoning: '' }
  if (!Array.isArray(content))
    throw wrong(path, 'must be a string, or an array of text parts', 'invalid_type')
  const texts: string[] = []
  const thoughts: string[] = []
  for (const [i, part] of content.entries()) {
    const { thought, text } = readPart(part, `${path}[${i}]`, unknown)
    ;(thought ? thoughts : texts).push(text)
  }
  return { content: texts.join('\n'), reasoning: thoughts.join('\n') }
}

function readPart(
  part: unknown,
  path: string,
  unknown: UnknownFields,
): { readonly text: string; readonly thought?: boolean } {
  if (typeof part === 'string') return { text: part }
  const { type, text, refusal, thinking, reasoning } = Object(part) as Sent
  if (typeof type === 'string' && ![...PLAIN, ...THOUGHT, 'refusal'].includes(type))
    throw unsupportedPart(type, path)
  unknown.noteOthers(part, KNOWN_IN_PART, path)
  const thought = THOUGHT.includes(type)
  const said = thought ? (thinking ?? reasoning ?? text) : type === 'refusal' ? refusal : text
  if (typeof said !== 'string')
    throw wrong(`${path}.text`, said === undefined ? 'is required' : 'must be a string', codeFor(said))
  return { text: said, thought }
}

const codeFor = (value: unknown) => (value === undefined ? 'missing_required_parameter' : 'invalid_type')
