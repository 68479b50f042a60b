import type { ReplyFormat } from '../generation/stages/reply.ts'
import { type ProtectedPiece, type Protection, textOf } from '../native/protect.ts'
import type { TemplateResult } from './template/template.ts'

/** How an answer begins, before the model continues it. */
export type AnswerPrefix = {
  readonly content: string
  readonly reasoning: string
  /** The same text as the model wrote it, tags and all, where that is known. */
  readonly raw?: string | undefined
}

/** Whether the model may think: no longer where its answer has begun without thoughts. */
export function mayThink({ content, reasoning, raw }: AnswerPrefix): boolean {
  return content === '' || reasoning !== '' || raw !== undefined
}

/** The `beginning` of the answer, and the `whole` prompt that ends with it, with marks. */
export async function beginAnswer(
  rendered: TemplateResult,
  begun: AnswerPrefix,
  protection: Protection,
  signal: AbortSignal | undefined,
): Promise<{ beginning: string; whole: string }> {
  const pieces = beginningOf(rendered, begun)
  if (pieces.length === 0) return { beginning: '', whole: rendered.text }
  return { beginning: textOf(pieces), whole: await protection.join([rendered.text, ...pieces], signal) }
}

/**
 * Thoughts between the format's tags, then the content. Where the prompt already opens a block of reasoning,
 * it is used.
 */
function beginningOf(
  { generationPrompt, reply }: TemplateResult,
  { content, reasoning, raw }: AnswerPrefix,
): ProtectedPiece[] {
  if (raw !== undefined) return [{ users: '' }, raw]
  if (content === '' && reasoning === '') return []
  const [start, end] = [reply?.thinkingStart ?? '', reply?.thinkingEnds[0] ?? '']
  const opened = start !== '' && generationPrompt.trimEnd().endsWith(start)
  const thinks = start !== '' && (opened || reasoning !== '')
  if (!thinks) return [{ users: content }]
  const thoughts = [opened ? '' : `${start}\n`, { users: reasoning }]
  return content === '' ? thoughts : [...thoughts, `\n${end.trim()}\n\n`, { users: content }]
}

/** How to read the rest of the answer; `undefined` where all of it is content. */
export function replyFormat(
  { reply }: TemplateResult,
  begun: AnswerPrefix,
  beginning: string,
): ReplyFormat | undefined {
  // An answer begun without thoughts goes on as content; the parser need not know the text before it.
  if (!reply || !mayThink(begun)) return undefined
  const { parseReply, preservedTexts, thinkingStart, thinkingEnds } = reply
  const texts = [...preservedTexts, thinkingStart, ...thinkingEnds].filter((text) => text !== '')
  return { parseReply, preservedTexts: texts, begun: beginning }
}
