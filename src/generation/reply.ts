import type { NativeReply } from '../native/contract.ts'
import type { HeldText } from './stop.ts'
import type { Outcome } from './tokens.ts'

/** What a model writes is its answer, or its reasoning before the answer. */
export type Channel = 'answer' | 'reasoning'

/** What one token added to the answer and to the reasoning; both `''` while a tag is incomplete. */
export type Delta = {
  /** Absent where text was held back and is set free at the end. */
  readonly token: number | undefined
  readonly text: string
  readonly reasoning: string
}

/** What was written, tags and all; behind what it was begun with, where the answer was begun for the model. */
export type Transcript = { raw: string }

/** How a template's answers are to be read: see `NativeRenderedChat`. */
export type ReplyFormat = {
  readonly parseReply: (output: string, partial: boolean) => NativeReply
  /** Texts of control tokens that the parser needs to see. */
  readonly preservedTexts: readonly string[]
  /** The answer so far, tags and all, that the model goes on with. */
  readonly begun: string
}

const NOTHING: NativeReply = { reasoning: '', content: '' }

/**
 * The fourth stage: tells reasoning and answer apart, as the template says; without a format all is answer. The
 * parser reads the whole text each time, about 20 microseconds per 1,000 characters.
 */
export async function* splitReply(
  released: AsyncIterable<HeldText>,
  format: ReplyFormat | undefined,
  transcript: Transcript,
  outcome: Outcome,
): AsyncGenerator<Delta, void, void> {
  const read = (partial: boolean) => format && tryParse(format, format.begun + transcript.raw, partial)
  let told = (format?.begun ? read(true) : undefined) ?? NOTHING
  for await (const { token, text } of released) {
    transcript.raw += text
    if (!format) {
      yield { token, text, reasoning: '' }
      continue
    }
    const added = text === '' ? NOTHING : difference(told, read(true))
    told = add(told, added)
    yield { token, text: added.content, reasoning: added.reasoning }
  }
  if (!format || transcript.raw === '') return
  // Cut in the middle, what may have been the beginning of a tag is none of the text.
  const known = (outcome.finishReason === 'length' ? undefined : read(false)) ?? read(true)
  const rest = difference(told, isOutside(format, transcript.raw, known) ? outside(transcript) : known)
  if (rest !== NOTHING) yield { token: undefined, text: rest.content, reasoning: rest.reasoning }
}

// A model that does not keep to its format at all has at least written something.
function isOutside(format: ReplyFormat, raw: string, known: NativeReply | undefined): boolean {
  if (known && (known.content !== '' || known.reasoning !== '')) return false
  const begins = (tag: string) => tag.startsWith(raw.slice(0, tag.length))
  return !format.begun && !format.preservedTexts.some(begins)
}

const outside = ({ raw }: Transcript): NativeReply => ({ reasoning: '', content: raw })

/** `undefined` where it is not in the format (yet). White space around reasoning is the format's. */
function tryParse({ parseReply }: ReplyFormat, raw: string, partial: boolean): NativeReply | undefined {
  try {
    const { reasoning, content } = parseReply(raw, partial)
    return { reasoning: reasoning.trim(), content }
  } catch {
    return undefined
  }
}

/** What `known` has beyond `told`. Where it tells another story, what was told stands. */
function difference(told: NativeReply, known: NativeReply | undefined): NativeReply {
  if (!known?.reasoning.startsWith(told.reasoning) || !known.content.startsWith(told.content)) return NOTHING
  const reasoning = known.reasoning.slice(told.reasoning.length)
  const content = known.content.slice(told.content.length)
  return reasoning === '' && content === '' ? NOTHING : { reasoning, content }
}

function add(told: NativeReply, { reasoning, content }: NativeReply): NativeReply {
  return { reasoning: told.reasoning + reasoning, content: told.content + content }
}
