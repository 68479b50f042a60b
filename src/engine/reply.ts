import type { NativeReply } from '../native/types.ts'
import type { Released } from './stop.ts'

/** What a model writes is its answer, or its reasoning before the answer. */
export type Channel = 'answer' | 'reasoning'

/** What one token added to the answer and to the reasoning; both `''` while a tag is incomplete. */
export type Spoken = {
  /** Absent where text was held back and is set free at the end. */
  readonly token: number | undefined
  readonly text: string
  readonly reasoning: string
}

/** What was written, tags and all. */
export type Transcript = { raw: string }

/** The template's own parser: see `NativeRenderedChat`. */
export type ParseReply = (output: string, partial: boolean) => NativeReply

const NOTHING: NativeReply = { reasoning: '', content: '' }

/**
 * The fourth stage: tells reasoning and answer apart, as the template says; without a parser all is answer. The
 * parser reads the whole text each time, about 20 microseconds per 1,000 characters.
 */
export async function* tellApart(
  released: AsyncIterable<Released>,
  parse: ParseReply | undefined,
  transcript: Transcript,
): AsyncGenerator<Spoken, void, void> {
  let told = NOTHING
  for await (const { token, text } of released) {
    transcript.raw += text
    if (!parse) {
      yield { token, text, reasoning: '' }
      continue
    }
    const known = text === '' ? told : tryParse(parse, transcript.raw, true)
    const added = difference(told, known)
    told = add(told, added)
    yield { token, text: added.content, reasoning: added.reasoning }
  }
  if (!parse || transcript.raw === '') return
  const rest = difference(told, whole(parse, transcript.raw))
  if (rest !== NOTHING) yield { token: undefined, text: rest.content, reasoning: rest.reasoning }
}

// A model that does not keep to its format has at least written something.
function whole(parse: ParseReply, raw: string): NativeReply {
  const known = tryParse(parse, raw, false) ?? tryParse(parse, raw, true)
  return known && (known.content !== '' || known.reasoning !== '') ? known : { reasoning: '', content: raw }
}

function tryParse(parse: ParseReply, raw: string, partial: boolean): NativeReply | undefined {
  try {
    return parse(raw, partial)
  } catch {
    return undefined // not in the format (yet)
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
