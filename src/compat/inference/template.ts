import type { ChatMessage, GPT4All } from '../../index.ts'

/** A turn is `before`, the user's message, `between`, the answer, `after`. */
export type TurnTemplate = { readonly before: string; readonly between: string; readonly after: string }

/** What follows an answer where the template has no `%2`. Source: GPT4All's backend. */
const BLANK_LINE = '\n\n'

/** Reads a template with `%1` and perhaps `%2`; without `%1`, the template is the prompt. */
export function parseTemplate(template: string): TurnTemplate & { readonly hasMessage: boolean } {
  const message = template.indexOf('%1')
  if (message < 0) return { before: template, between: '', after: BLANK_LINE, hasMessage: false }
  const behind = message + 2
  const answer = template.indexOf('%2', behind)
  return {
    hasMessage: true,
    before: template.slice(0, message),
    between: answer < 0 ? template.slice(behind) : template.slice(behind, answer),
    after: answer < 0 ? BLANK_LINE : template.slice(answer + 2),
  }
}

/** What renders conversations. */
type Renderer = Pick<GPT4All, 'renderPrompt'>

/** What the model's own template writes, in the form of the package. */
export type OwnTemplate = {
  readonly promptTemplate: string
  /** What it writes in front of a conversation that has no system message. */
  readonly systemPrompt: string
  /** How it writes a system message: `%1` is its text. */
  readonly systemTemplate: string
  /** Control tokens that come before everything, with or without a system prompt. */
  readonly start: string
}

const OPTIONS = { enableThinking: false }

const FIRST = 'questionone'
const ANSWER = 'answerone'
const SECOND = 'questiontwo'
const SYSTEM = 'instructions'

/** Where a turn may begin: at a control token such as `<|im_start|>`, `[INST]` or `###`, or at a word in capitals. */
const TURN_BEGINS = /<[^<>\s]+>|\[\/?[A-Z_]+\]|###|\b[A-Z][A-Za-z]*:/g

/** Nothing but control tokens. */
const CONTROL = /^(?:<[^<>\s]+>|\[[^[\]\s]+\])*$/

/**
 * The model's own template, which is Jinja for most, as `%1` and `%2`: seen from what it makes of a short conversation.
 * Models that can do without reasoning answer without it, as programs for the package take all text for the answer.
 * `undefined` if it cannot be written so, as it makes something else of the whole than of the parts.
 */
export async function ownTemplate(model: Renderer): Promise<OwnTemplate | undefined> {
  const user = (content: string): ChatMessage => ({ role: 'user', content })
  const answer: ChatMessage = { role: 'assistant', content: ANSWER }
  try {
    const one = await model.renderPrompt([user(FIRST)], OPTIONS)
    const two = await model.renderPrompt([user(FIRST), answer, user(SECOND)], OPTIONS)
    const split = splitTurns(one, two)
    if (!split) return undefined
    const system = await systemTemplate(model, split.before)
    const { systemPrompt, promptTemplate } = split.own
    const start = CONTROL.test(systemPrompt) ? systemPrompt : ''
    return {
      promptTemplate,
      systemPrompt: start === '' ? systemPrompt : '',
      systemTemplate: system ?? `%1${BLANK_LINE}`,
      start,
    }
  } catch {
    return undefined // it wants other messages
  }
}

type Split = { readonly before: string; readonly own: Pick<OwnTemplate, 'promptTemplate' | 'systemPrompt'> }

function splitTurns(one: string, two: string): Split | undefined {
  const [head, between] = cut(one, FIRST)
  const [start, rest] = cut(two, FIRST)
  const [, middle, end] = rest === undefined ? [] : cutTwice(rest, ANSWER, SECOND)
  if (head === undefined || between === undefined || middle === undefined) return undefined
  if (start !== head || end !== between) return undefined
  for (const before of beginnings(middle)) {
    if (!head.endsWith(before)) continue
    const after = middle.slice(0, middle.length - before.length)
    const systemPrompt = head.slice(0, head.length - before.length)
    if (/%[12]/.test(before + between + after)) return undefined
    return { before, own: { promptTemplate: `${before}%1${between}%2${after}`, systemPrompt } }
  }
  return undefined
}

/** What of the text between an answer and the next message may be the beginning of the turn: the likeliest first. */
function* beginnings(middle: string): Generator<string> {
  const places = Array.from(middle.matchAll(TURN_BEGINS), ({ index }) => index)
  for (const place of places) if (place > 0) yield middle.slice(place)
  for (let place = 0; place <= middle.length; place++) yield middle.slice(place)
}

async function systemTemplate(model: Renderer, before: string): Promise<string | undefined> {
  const messages: ChatMessage[] = [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: FIRST },
  ]
  const rendered = await model.renderPrompt(messages, OPTIONS).catch(() => '')
  const [start, rest] = cut(rendered, SYSTEM)
  const [end] = rest === undefined ? [] : cut(rest, FIRST)
  if (start === undefined || !end?.endsWith(before)) return undefined
  return `${start}%1${end.slice(0, end.length - before.length)}`
}

/** The text before and behind `word`; nothing if it is not there once. */
function cut(text: string, word: string): [string, string] | [] {
  const at = text.indexOf(word)
  if (at < 0 || text.indexOf(word, at + 1) >= 0) return []
  return [text.slice(0, at), text.slice(at + word.length)]
}

function cutTwice(text: string, one: string, other: string): [string, string, string] | [] {
  const [first, rest] = cut(text, one)
  const [second, third] = rest === undefined ? [] : cut(rest, other)
  return first === undefined || second === undefined || third === undefined ? [] : [first, second, third]
}

/** Whether a system prompt brings its format, as the package wants it: then it is evaluated as it is. */
export function bringsFormat(systemPrompt: string): boolean {
  return /<[^<>\s]+>|\[\/?[A-Z_]+\]|<<SYS>>|###|^[A-Z]+: /m.test(systemPrompt)
}
