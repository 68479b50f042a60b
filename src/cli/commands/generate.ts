import { fstatSync } from 'node:fs'
import type { Command } from 'commander'
import { type Generation, type GenerationResult, GPT4All } from '../../index.ts'
import { Highlighter } from '../answer/markdown.ts'
import { PromptStatus } from '../answer/prompt-status.ts'
import { cutBy } from '../conversation.ts'
import { UsageError } from '../failure.ts'
import { GENERATE_FLAGS, generateOptions, MODEL_FLAGS, modelOptions, withFlags } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { named } from '../local-models.ts'
import { rememberModel, usualModel } from '../remembered.ts'
import type { Context, Terminal } from '../terminal.ts'

/** As the last word: the rest of the prompt comes from stdin, even if that is not a pipe or a file. */
const STDIN = '-'
/** Bytes; more than any context holds. */
const MOST_INPUT = 64 * 2 ** 20

const EXAMPLES = `
Examples:
  gpt4all-ts generate -m Llama-3.2-1B-Instruct-Q4_0 "Why is the sky blue?"
  git diff | gpt4all-ts generate "Write a commit message for this change:" --temp 0
  gpt4all-ts generate --raw --max-tokens 20 "Once upon a time" --json`

export function addGenerate(program: Command, { terminal }: Context): void {
  const command = program
    .command('generate')
    .summary('answer one prompt and exit')
    .description('Sends a prompt to a model, and writes its answer to stdout.')
    .argument(
      '[prompt...]',
      'the prompt; piped input is added at its end; a last argument - reads any other input as well',
    )
    .option(
      '-m, --model <name>',
      'name or path of the model, or hf:owner/repo:quant (default: the last one used)',
    )
    .option('-s, --system <text>', 'system prompt')
    .option('--raw', "continue the prompt as it is, without the model's chat template")
    .option('--json', 'write the result as JSON: text, usage, timings ...')
    .option('--stream', 'write the text as it is generated (default)')
    .option('--no-stream', 'write the text when it is complete')
    .addHelpText('after', EXAMPLES)
  withFlags(withFlags(command, GENERATE_FLAGS), MODEL_FLAGS)
  command.action(async (words: string[], values) => {
    const { note, write, result, data, progress, quiet } = terminal()
    const signal = signalOf()
    if (values.raw && values.system !== undefined)
      throw new UsageError('--system cannot be combined with --raw, which uses no chat template.')
    const prompt = await promptOf(words)
    const { model: given, modelPath } = values
    const name = given === undefined ? await usualModel(modelPath) : named(given, modelPath)
    const model = await GPT4All.load(name, { ...modelOptions(values), ...progress, signal })
    await rememberModel(name)
    const status = new PromptStatus(quiet ? undefined : process.stderr)
    const options = { ...generateOptions(values), signal, onPromptProgress: status.report }
    const chat = model.chatSession(values.system === undefined ? {} : { systemPrompt: values.system })
    const generation = values.raw ? model.generate(prompt, options) : chat.generate(prompt, options)
    const streams = values.stream !== false && !values.json
    const made = await written(generation, streams ? write : undefined, status)
    if (values.json) result(JSON.stringify({ model: model.name, ...made }, undefined, 2))
    else data(streams ? '' : made.text)
    const cut = cutBy(made, model.contextSize)
    if (cut) note(cut)
    await model.close()
  })
}

/** The result of a generation, whose pieces are written as they come. */
async function written(
  generation: Generation,
  write: Terminal['write'] | undefined,
  status: PromptStatus,
): Promise<GenerationResult> {
  try {
    const highlighter = new Highlighter()
    if (write) for await (const piece of generation) await write(...highlighter.push(piece))
    await write?.(...highlighter.end())
    return await generation.result
  } finally {
    status.end()
  }
}

async function promptOf(words: readonly string[]): Promise<string> {
  const reads = words.at(-1) === STDIN
  const said = (reads ? words.slice(0, -1) : words).join(' ')
  const piped = reads || said === '' || isPiped() ? await readAll() : ''
  const prompt = [said, piped].filter((text) => text !== '').join('\n\n')
  if (prompt === '') throw new UsageError('The prompt is empty. Pass it as arguments, or through a pipe.')
  return prompt
}

// A program that started us may never close our input, so other kinds of input are read on request only.
function isPiped(): boolean {
  try {
    const input = fstatSync(0)
    return input.isFIFO() || input.isFile()
  } catch {
    return false // there is no stdin
  }
}

async function readAll(): Promise<string> {
  if (process.stdin.isTTY) return ''
  // One buffer, however small the chunks; the system provides only the memory that is written to.
  const whole = Buffer.allocUnsafeSlow(MOST_INPUT)
  let length = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    if (length + chunk.length > MOST_INPUT)
      throw new UsageError(`The input is larger than ${MOST_INPUT / 2 ** 20} MiB.`)
    length += chunk.copy(whole, length)
  }
  return whole.toString('utf8', 0, length).replace(/\n$/, '')
}
