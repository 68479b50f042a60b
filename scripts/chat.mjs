// Questions and answers: the given ones first, each by itself, then, on a terminal, a conversation with the user.
import { createInterface } from 'node:readline/promises'

const MAX_TOKENS = 160
const LEAVE = ['exit', 'quit', '/exit', '/quit', '/bye']

export async function chat(
  model,
  { questions, sampling, name, input = process.stdin, output = process.stdout },
) {
  const stays = input.isTTY === true && output.isTTY === true
  const conversation = { model, sampling, name, output, current: undefined, interrupted: false }
  if (stays) process.stderr.write('\nA few questions first; Ctrl-C skips to yours.\n')
  const stop = () => {
    if (conversation.current === undefined || !stays) process.exit(130)
    conversation.interrupted = true
    conversation.current.stop()
  }
  process.on('SIGINT', stop)
  try {
    for (const question of questions) {
      if (conversation.interrupted) break
      output.write(`\n> ${question}\n`)
      await answer(conversation, question, model.chatSession())
    }
    if (stays) await listen(conversation, input)
  } finally {
    process.off('SIGINT', stop)
  }
}

async function answer(conversation, question, session) {
  const { sampling, name, output } = conversation
  const generation = session.generate(question, { ...sampling, maxTokens: MAX_TOKENS })
  conversation.current = generation
  try {
    for await (const piece of generation) output.write(piece)
    const { usage, timings, finishReason } = await generation.result
    output.write(finishReason === 'length' ? ' ...\n' : '\n')
    const speed = timings.tokensPerSecond.toFixed(1)
    const stopped = finishReason === 'break' ? ', stopped' : ''
    process.stderr.write(`  (${name}: ${usage.completionTokens} tokens, ${speed} tokens/s${stopped})\n`)
  } finally {
    conversation.current = undefined
  }
}

/** Asks until the user leaves: `exit`, Ctrl-D, or Ctrl-C while nothing is being answered. */
async function listen(conversation, input) {
  process.stderr.write('\nAsk something; Ctrl-C stops an answer, `exit` or Ctrl-D leaves.\n')
  const lines = createInterface({ input, output: conversation.output, prompt: '\n> ' })
  // In a terminal readline takes Ctrl-C for itself.
  lines.on('SIGINT', () => (conversation.current === undefined ? lines.close() : conversation.current.stop()))
  const session = conversation.model.chatSession()
  lines.prompt()
  for await (const line of lines) {
    const question = line.trim()
    if (LEAVE.includes(question.toLowerCase())) break
    if (question !== '') await answer(conversation, question, session)
    lines.prompt()
  }
  lines.close()
}
