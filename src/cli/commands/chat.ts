import type { Command } from 'commander'
import { type Generation, GPT4All } from '../../index.ts'
import { Highlighter } from '../answer/markdown.ts'
import { PromptStatus } from '../answer/prompt-status.ts'
import { choose } from '../choose.ts'
import { ChatConversation } from '../conversation.ts'
import { describeFailure, refuseWords } from '../failure.ts'
import { GENERATE_FLAGS, generateOptions, MODEL_FLAGS, modelOptions, withFlags } from '../flags.ts'
import { Input } from '../input.ts'
import { interruptible } from '../interrupt.ts'
import { named } from '../local-models.ts'
import { remember, remembered, rememberModel } from '../remembered.ts'
import { paint } from '../styled.ts'
import type { Context, Terminal } from '../terminal.ts'

const EXAMPLES = `
Examples:
  gpt4all-ts chat
  gpt4all-ts chat -m Llama-3.2-1B-Instruct-Q4_0 -s "Answer in one sentence."
  gpt4all-ts chat -m hf:bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
  gpt4all-ts chat --load talk.json`

const ANSWER_FLAG = { ...GENERATE_FLAGS.maxTokens!, byDefault: 'until the context is full' }

export function addChat(program: Command, { terminal }: Context): void {
  const command = program
    .command('chat', { isDefault: true })
    .summary('chat with a model (the default command)')
    .description('Starts a conversation with a model. In it, /help lists the commands.')
    .allowExcessArguments() // a word that is not a command comes here
    .option(
      '-m, --model <name>',
      'name or path of the model, or hf:owner/repo:quant (default: the last one used, or a choice)',
    )
    .option('-s, --system <text>', 'system prompt')
    .option('--load <file>', 'continue a conversation saved by /save')
    .addHelpText('after', EXAMPLES)
  withFlags(withFlags(command, { ...GENERATE_FLAGS, maxTokens: ANSWER_FLAG }), MODEL_FLAGS)
  command.action(async (values) => {
    refuseWords(command.args, program)
    const { note, progress, quiet, write } = terminal()
    const opened = modelOptions(values)
    const open = async (asked: string) => {
      const name = named(asked, opened.modelPath)
      const model = await interruptible((signal) => GPT4All.load(name, { ...opened, ...progress, signal }))
      await rememberModel(name)
      return model
    }
    const { inputs = [] } = await remembered()
    const model = await open(values.model === undefined ? await choose(opened.modelPath, note) : values.model)
    const conversation = new ChatConversation(model, open, generateOptions(values), values.system)
    const input = new Input(inputs)
    try {
      if (values.load) note(await conversation.load(values.load))
      note(paint('dim', `${conversation.name}. /help lists the commands; Ctrl-D leaves.`))
      await talk(conversation, input, { note, write, quiet })
    } finally {
      input.close()
      await remember({ inputs: input.history })
      await conversation.close()
    }
  })
}

const LEAVING = ['exit', 'quit', 'bye']

type Output = Pick<Terminal, 'note' | 'write' | 'quiet'>

async function talk(
  conversation: ChatConversation,
  input: Input,
  { note, write, quiet }: Output,
): Promise<void> {
  for (let said = await input.next(); said !== undefined; said = await input.next()) {
    if (said.trim() === '') continue
    try {
      const [, command, rest = ''] = /^\/(\w+|\?)(?:\s+([\s\S]*))?$/.exec(said) ?? []
      if (command !== undefined && LEAVING.includes(command)) return
      const status = new PromptStatus(quiet ? undefined : process.stderr)
      const stop = new AbortController()
      const watch = { onPromptProgress: status.report, signal: stop.signal }
      const generation =
        command === undefined
          ? conversation.say(said, watch)
          : rest === '' && conversation.answerTo(command, watch)
      if (!generation) note(await conversation.command(command!, rest.trim()))
      else {
        const more = await answer(conversation, { generation, status, stop }, input, write)
        if (more) note(paint('dim', more))
      }
    } catch (error) {
      note(paint('red', 'error:'), ` ${describeFailure(error).message}`)
    }
  }
}

type Turn = { readonly generation: Generation; readonly status: PromptStatus; readonly stop: AbortController }

/** Writes the answer, and returns what there is to say about it. */
async function answer(
  conversation: ChatConversation,
  { generation, status, stop }: Turn,
  input: Input,
  write: Output['write'],
): Promise<string | undefined> {
  let isThinking = false
  let hasBegun = false
  // A message that was not even read to its end is taken back; what there is of an answer is kept.
  const release = input.onInterrupt(() => (hasBegun ? void generation.stop() : stop.abort()))
  const highlighter = new Highlighter()
  try {
    for await (const { channel, text } of generation.parts()) {
      hasBegun = true
      const thinks = channel === 'reasoning'
      if (isThinking && !thinks) await write('\n\n')
      isThinking = thinks
      await write(...(thinks ? [paint('dim', text)] : highlighter.push(text)))
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return 'Stopped before the answer began: the message is not kept.'
  } finally {
    status.end()
    release()
    await write(...highlighter.end(), '\n')
  }
  return conversation.noteResult(await generation.result)
}
