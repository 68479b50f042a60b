import { optionError, TemplateError } from '../../core/errors.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { NativeChatTemplate, NativeJob, NativeMarks, NativeRenderedChat } from '../../native/contract.ts'
import { nativeCode, translateFailure } from '../../native/failures.ts'
import { settled } from '../../native/job.ts'
import { NO_MARKS, type ProtectedPiece, Protection, textOf, type UserTexts } from '../../native/protect.ts'
import { inTemplateOrder, type Oddity, TemplateProbes } from './order.ts'

/** How messages become a prompt. */
export type PromptFormat = (
  | { readonly kind: 'jinja'; readonly template: NativeChatTemplate; readonly probes: TemplateProbes }
  | ({ readonly kind: 'pattern' } & Pattern)
) & {
  /** The template as it was written. */
  readonly source: string
  /** The format's own system prompt, for conversations that bring none. */
  readonly systemPrompt?: string | undefined
}

/** A turn is `before`, the user's message, `between`, the model's answer, `after`. */
type Pattern = { readonly before: string; readonly between: string; readonly after: string }

/** Options that choose the template of a prompt; one of the two at most. */
export type TemplateOptions = {
  /**
   * GPT4All's form of a template for one turn: `{0}` or `%1` stands for the user's message, and `%2`, which
   * may be left out, for the answer. Without one, the model's own chat template is used. Source:
   * `prompt_template` in Python.
   * @default undefined
   */
  readonly promptTemplate?: string | undefined
  /**
   * A Jinja template, as in `tokenizer_config.json`, to use instead of the model's own. Source:
   * `chat_template` in Python.
   * @default undefined
   */
  readonly chatTemplate?: string | undefined
}

/** What becomes of the model's earlier reasoning in a prompt. */
export type ReasoningPolicy = 'keep' | 'strip'

type RenderOptions = {
  /** Lets the model think before it answers, where the template has a switch for it. */
  readonly enableThinking: boolean
  readonly reasoning: ReasoningPolicy | undefined
  /**
   * Protects what users and the model wrote, and a Jinja template's system message; `undefined` = nothing.
   */
  readonly guarded: UserTexts | undefined
}

/** Renders messages as they are. */
export const AS_IT_IS: RenderOptions = { guarded: undefined, enableThinking: true, reasoning: undefined }

/** A prompt as text. `reply` splits an answer to it into its parts; absent where it has none. */
export type TemplateResult = {
  /** With marks. */
  readonly text: string
  /** As the model reads it. */
  readonly plain: string
  readonly marks: NativeMarks
  /** The end of `text` that asks for the answer; `''` where that is not known. */
  readonly generationPrompt: string
  readonly reply: NativeRenderedChat | undefined
  /** What ends an answer beside the model's own end tokens. */
  readonly stops: readonly string[]
}

/** What ends an answer where the template has no `%2`. Source: GPT4All's backend. */
const BLANK_LINE = '\n\n'

/** The template of models that bring none. Source: the GPT4All Python package. */
export const DEFAULT_PROMPT_TEMPLATE = '### Human:\n{0}\n\n### Assistant:\n'

/** `native/chat.cc` renders at most this many bytes, hence UTF-16 units, without a thread. */
const MOST_QUICK = 2 ** 18

/** Far more than the longest existing templates, which have some 100 KiB. */
const MOST_TEMPLATE = 2 ** 20
/** Larger templates are always parsed and rendered on the addon's own thread. UTF-16 units. */
const MOST_QUICK_TEMPLATE = 2 ** 16

/** @throws {TemplateError} `ERR_TEMPLATE` when `template` is too long */
export function checkTemplateLength(template: string | undefined): void {
  if (template === undefined || template.length <= MOST_TEMPLATE) return
  const message = `The template has ${template.length} characters; at most ${MOST_TEMPLATE} are allowed.`
  throw new TemplateError(message)
}

/** @throws {TypeError} `ERR_OPTION` unless it has one `{0}` or `%1`, and at most one `%2` after it */
export function parsePattern(template: string): Pattern {
  // One at a time: a stranger's template may have a million of these.
  const places = template.matchAll(/\{0\}|%1|%2/g)
  const [message, answer, more] = [places.next().value, places.next().value, places.next().value]
  const isSound = message && message[0] !== '%2' && (!answer || answer[0] === '%2') && !more
  if (!isSound) {
    throw optionError(
      'promptTemplate',
      'a text with one {0} or %1 for the message, and at most one %2 after it',
      template,
    )
  }
  const behind = message.index + message[0].length
  return {
    before: template.slice(0, message.index),
    between: template.slice(behind, answer?.index),
    after: answer ? template.slice(answer.index + answer[0].length) : BLANK_LINE,
  }
}

/**
 * Reads a Jinja template.
 * @throws {TemplateError} `ERR_TEMPLATE` when it is not a valid one
 */
export function openTemplate(template: NativeChatTemplate, source: string): Promise<void> {
  return quickly(
    sizeOf(source),
    () => template.open(),
    () => template.openLater(),
    undefined,
  )
}

/**
 * The prompt that asks the model for its next message, which comes after `messages` in the order that the
 * template takes. The raw system text of the `{0}` and `%1` forms is not protected. `signal` aborts a slow
 * rendering, which does not block the event loop.
 * @throws {TemplateError} `ERR_TEMPLATE` when a Jinja template fails on these messages, or costs too much
 */
export async function render(
  format: PromptFormat,
  messages: readonly ChatMessage[],
  options: RenderOptions,
  signal?: AbortSignal,
): Promise<TemplateResult> {
  if (format.kind === 'jinja') {
    const ordered = await inTemplateOrder(messages, (oddity) => format.probes.takes(oddity))
    return renderJinja(format, ordered, options, signal)
  }
  const { guarded } = options
  const pieces = patternPieces(format, await inTemplateOrder(messages, patternTakes))
  const plain = textOf(pieces)
  const marks = guarded?.control?.unusedMarks(plain + guarded.behind) ?? NO_MARKS
  const text = await new Protection(guarded?.control, marks).join(pieces, signal)
  return { text, plain, marks, generationPrompt: '', reply: undefined, stops: [] }
}

/** Only the text of a user makes room for an answer, and what precedes all turns is one text. */
const patternTakes = async (oddity: Oddity) => oddity === 'answerFirst' || oddity === 'sameRoleTwice'

/** The format of a template that has been opened. */
export function jinjaFormat(template: NativeChatTemplate, source: string): PromptFormat {
  const probes = new TemplateProbes((messages) => renderJinja({ template, source }, messages, AS_IT_IS))
  return { kind: 'jinja', source, template, probes }
}

/** The prompt that a Jinja template makes of these very messages. */
async function renderJinja(
  { template, source }: { readonly template: NativeChatTemplate; readonly source: string },
  messages: readonly ChatMessage[],
  { guarded, enableThinking, reasoning }: RenderOptions,
  signal?: AbortSignal,
): Promise<TemplateResult> {
  const strips = reasoning === 'strip'
  const params = {
    messages: messages.map((message) => ({
      role: message.role,
      content: message.content,
      ...(message.reasoning && !strips && { reasoning: message.reasoning }),
    })),
    addGenerationPrompt: true,
    enableThinking,
    ...(reasoning && { preserveReasoning: reasoning === 'keep' }),
    ...(guarded && { control: guarded.control, avoided: guarded.behind }),
  }
  const size = params.messages.reduce((sum, { content }) => sum + content.length, sizeOf(source))
  const rendered = await quickly(
    size,
    () => template.render(params),
    () => template.renderLater(params),
    signal,
  )
  const { prompt, plain = prompt, marks, generationPrompt, splitsReply, stops } = rendered
  return { text: prompt, plain, marks, generationPrompt, reply: splitsReply ? rendered : undefined, stops }
}

/**
 * Does quick work at once, the rest on a thread of the addon's own. A `size`, in UTF-16 units, that cannot be
 * quick saves the attempt.
 */
async function quickly<T>(
  size: number,
  now: () => T,
  later: () => NativeJob<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    if (size <= MOST_QUICK) return now()
  } catch (error) {
    if (nativeCode(error) !== 'ERR_EFFORT') throw translateFailure(error, 'The model')
  }
  try {
    return await settled(later(), signal)
  } catch (error) {
    throw translateFailure(error, 'Rendering')
  }
}

const sizeOf = (template: string) => (template.length > MOST_QUICK_TEMPLATE ? Number.POSITIVE_INFINITY : 0)

function patternPieces(
  { before, between, after }: Pattern,
  messages: readonly ChatMessage[],
): ProtectedPiece[] {
  return messages.flatMap(({ role, content }): ProtectedPiece[] => {
    if (role === 'system') return [content]
    const users = { users: content }
    return role === 'user' ? [before, users, between] : [users, after]
  })
}

/** `messages`, after the format's own system prompt where it has one and they have none. */
export function withSystem(
  messages: readonly ChatMessage[],
  { systemPrompt }: Pick<PromptFormat, 'systemPrompt'>,
): readonly ChatMessage[] {
  if (systemPrompt === undefined || messages[0]?.role === 'system') return messages
  return [{ role: 'system', content: systemPrompt }, ...messages]
}
