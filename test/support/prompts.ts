import { PromptBuilder } from '../../src/chat/prompt.ts'
import type { PromptFormat } from '../../src/chat/template/template.ts'
import type { ChatMessage } from '../../src/core/messages.ts'
import type { NativeModel } from '../../src/native/contract.ts'

const NOTHING = { content: '', reasoning: '' }
const SHAPE = {
  contextSize: 2 ** 20,
  reserved: 4,
  overflow: 'error',
  reasoning: undefined,
  deterministic: false,
} as const

/** The tokens of the prompt for these messages, and its text as the model reads it. */
export async function promptOf(
  model: NativeModel,
  format: PromptFormat,
  messages: readonly ChatMessage[],
  begun: { readonly content: string; readonly reasoning: string; readonly raw?: string } = NOTHING,
): Promise<{ readonly tokens: readonly number[]; readonly text: string }> {
  const request = { messages, begun, enableThinking: true, maxTokens: 0 }
  const { record, text } = await new PromptBuilder(model, format, SHAPE).prompt(request, async (work) =>
    work(),
  )
  return { tokens: record.tokens, text }
}
