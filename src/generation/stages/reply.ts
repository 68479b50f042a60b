import type { NativeReply } from '../../native/contract.ts'
import type { DeltaEvent, EndEvent, Stage } from '../events.ts'
import type { TextEvent } from './text.ts'

/** What a model writes: its answer, or the reasoning before it. */
export type Channel = 'answer' | 'reasoning'

/** How to read a template's answers; see `NativeRenderedChat`. */
export type ReplyFormat = {
  readonly parseReply: (output: string, partial: boolean) => NativeReply
  /** Texts of control tokens that the parser needs to see. */
  readonly preservedTexts: readonly string[]
  /** The answer so far, tags and all, which the model continues. */
  readonly begun: string
}

const NOTHING: NativeReply = { reasoning: '', content: '' }

/**
 * The fourth stage: splits what the model writes into reasoning and answer, as the template prescribes;
 * without a format all of it is the answer. The parser reads the whole text each time: about 20 microseconds
 * per 1,000 characters.
 */
export function splitReply(format: ReplyFormat | undefined): Stage<TextEvent, DeltaEvent> {
  let raw = ''
  const read = (partial: boolean) => format && tryParse(format, format.begun + raw, partial)
  let sent = (format?.begun ? read(true) : undefined) ?? NOTHING
  const added = ({ text }: TextEvent): NativeReply => {
    if (!format) return { reasoning: '', content: text }
    return text === '' ? NOTHING : difference(sent, read(true))
  }
  return (event) => {
    if (event.type === 'end') {
      const rest = format && raw !== '' ? difference(sent, whole(format, raw, event, read)) : NOTHING
      return rest === NOTHING ? [event] : [delta(HELD_BACK, '', rest), event]
    }
    if (format) raw += event.text
    const more = added(event)
    if (format) sent = add(sent, more)
    return [delta(event, event.text, more)]
  }
}

const HELD_BACK = { token: undefined, bytes: 0, logprob: undefined }

function delta(
  { token, bytes, logprob }: Omit<TextEvent, 'type' | 'text'>,
  raw: string,
  { content, reasoning }: NativeReply,
): DeltaEvent {
  return { type: 'delta', token, text: content, reasoning, raw, bytes, logprob, at: performance.now() }
}

/**
 * The whole reply, once it has ended. Where it was cut off, what may have been the beginning of a tag is not
 * part of the text.
 */
function whole(
  format: ReplyFormat,
  raw: string,
  { finishReason }: EndEvent,
  read: (partial: boolean) => NativeReply | undefined,
): NativeReply | undefined {
  const known = (finishReason === 'length' ? undefined : read(false)) ?? read(true)
  return isOutside(format, raw, known) ? { reasoning: '', content: raw } : known
}

// What a model wrote without following its format at all is still an answer.
function isOutside(format: ReplyFormat, raw: string, known: NativeReply | undefined): boolean {
  if (known && (known.content !== '' || known.reasoning !== '')) return false
  const begins = (tag: string) => tag.startsWith(raw.slice(0, tag.length))
  return !format.begun && !format.preservedTexts.some(begins)
}

/**
 * `undefined` where the text is not in the format (yet). White space around reasoning belongs to the format.
 */
function tryParse({ parseReply }: ReplyFormat, raw: string, partial: boolean): NativeReply | undefined {
  try {
    const { reasoning, content } = parseReply(raw, partial)
    return { reasoning: reasoning.trim(), content }
  } catch {
    return undefined
  }
}

/** What `known` has beyond `sent`; nothing where it contradicts what was sent, which stands. */
function difference(sent: NativeReply, known: NativeReply | undefined): NativeReply {
  if (!known?.reasoning.startsWith(sent.reasoning) || !known.content.startsWith(sent.content)) return NOTHING
  const reasoning = known.reasoning.slice(sent.reasoning.length)
  const content = known.content.slice(sent.content.length)
  return reasoning === '' && content === '' ? NOTHING : { reasoning, content }
}

function add(sent: NativeReply, { reasoning, content }: NativeReply): NativeReply {
  return { reasoning: sent.reasoning + reasoning, content: sent.content + content }
}
