import type { ChatMessage } from '../../core/messages.ts'

const of = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content })

/** Conversations that not every template takes: the texts of all messages must come out, in this order. */
const PROBES = {
  systemsAnywhere: [
    of('system', 'Alpha'),
    of('system', 'Bravo'),
    of('user', 'Charlie'),
    of('system', 'Delta'),
    of('assistant', 'Echo'),
    of('system', 'Foxtrot'),
    of('user', 'Golf'),
    of('system', 'Hotel'),
  ],
  systemAlone: [of('system', 'Alpha')],
  answerFirst: [of('assistant', 'Alpha'), of('user', 'Bravo')],
  sameRoleTwice: [
    of('user', 'Alpha'),
    of('user', 'Bravo'),
    of('assistant', 'Charlie'),
    of('assistant', 'Delta'),
    of('user', 'Echo'),
  ],
  answerAfterAnswer: [of('user', 'Alpha'), of('assistant', 'Bravo')],
} as const satisfies Readonly<Record<string, readonly ChatMessage[]>>

/** @internal One of the conversations that not every template takes. */
export type Oddity = keyof typeof PROBES

/** @internal What a template makes of `messages`: the prompt, and the end of it that asks for the answer. */
export type ProbeRender = (
  messages: readonly ChatMessage[],
) => Promise<{ readonly text: string; readonly generationPrompt: string }>

/** @internal Which unusual conversations a template takes as they are. Each probe runs once, when it is needed. */
export class TemplateProbes {
  readonly #render: ProbeRender
  readonly #taken = new Map<Oddity, Promise<boolean>>()

  constructor(render: ProbeRender) {
    this.#render = render
  }

  takes(oddity: Oddity): Promise<boolean> {
    const known = this.#taken.get(oddity) ?? this.#probe(oddity)
    this.#taken.set(oddity, known)
    return known
  }

  async #probe(oddity: Oddity): Promise<boolean> {
    try {
      const { text, generationPrompt } = await this.#render(PROBES[oddity])
      if (oddity === 'answerAfterAnswer' && generationPrompt === '') return false
      return hasInOrder(
        text,
        PROBES[oddity].map(({ content }) => content),
      )
    } catch {
      return false // it refuses them
    }
  }
}

function hasInOrder(text: string, contents: readonly string[]): boolean {
  let from = 0
  for (const content of contents) {
    const at = text.indexOf(content, from)
    if (at < 0) return false
    from = at + content.length
  }
  return true
}

/**
 * `messages` in a form that the template takes, with all that they say: as they are where it can. Otherwise
 * system messages join the first one, messages of one role become one, and an answer that nobody asked for
 * follows an empty message of the user. A system message that would ask for the answer where the template
 * has no way to ask becomes the user's.
 */
export async function inTemplateOrder(
  messages: readonly ChatMessage[],
  takes: (oddity: Oddity) => Promise<boolean>,
): Promise<readonly ChatMessage[]> {
  if (isUsual(messages)) return messages
  let ordered = messages
  if (ordered.some(({ role }, i) => role === 'system' && i > 0) && !(await takes('systemsAnywhere')))
    ordered = await folded(ordered, takes)
  const isSystemAlone = ordered.every(({ role }) => role === 'system')
  if (isSystemAlone && (ordered.length === 0 || !(await takes('systemAlone'))))
    ordered = [of('user', joined(ordered))]
  const first = ordered.findIndex(({ role }) => role !== 'system')
  if (ordered[first]?.role === 'assistant' && !(await takes('answerFirst')))
    ordered = [...ordered.slice(0, first), of('user', ''), ...ordered.slice(first)]
  const isTwice = ordered.some(({ role }, i) => role === ordered[i - 1]?.role)
  return isTwice && !(await takes('sameRoleTwice')) ? merged(ordered) : ordered
}

/** A system message if any, then user and assistant in turn. */
function isUsual(messages: readonly ChatMessage[]): boolean {
  const first = messages[0]?.role === 'system' ? 1 : 0
  const isInTurn = ({ role }: ChatMessage, i: number) =>
    i < first || role === ((i - first) % 2 === 0 ? 'user' : 'assistant')
  return messages.length > first && messages.every(isInTurn)
}

async function folded(
  messages: readonly ChatMessage[],
  takes: (oddity: Oddity) => Promise<boolean>,
): Promise<readonly ChatMessage[]> {
  const last = messages.findLastIndex(({ role }) => role !== 'system')
  const asksLast = messages[last]?.role === 'assistant' && last < messages.length - 1
  const tail = asksLast && !(await takes('answerAfterAnswer')) ? last + 1 : messages.length
  const systems = messages.slice(0, tail).filter(({ role }) => role === 'system')
  return [
    ...(systems.length > 0 ? [of('system', joined(systems))] : []),
    ...messages.slice(0, tail).filter(({ role }) => role !== 'system'),
    ...(tail < messages.length ? [of('user', joined(messages.slice(tail)))] : []),
  ]
}

function merged(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const all: ChatMessage[] = []
  for (const message of messages) {
    const last = all.at(-1)
    if (last?.role !== message.role) all.push(message)
    else all.splice(-1, 1, both(last, message))
  }
  return all
}

function both(first: ChatMessage, second: ChatMessage): ChatMessage {
  const reasoning = [first.reasoning, second.reasoning].filter(Boolean).join(GAP)
  return { ...of(first.role, joined([first, second])), ...(reasoning !== '' && { reasoning }) }
}

/** Between texts that become one. */
const GAP = '\n\n'

function joined(messages: readonly ChatMessage[]): string {
  return messages
    .map(({ content }) => content)
    .filter((content) => content !== '')
    .join(GAP)
}
