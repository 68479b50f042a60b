import type { Command } from 'commander'
import { readBytes } from '../../core/regular-file.ts'
import { defaultModelPath, GPT4All, type Logger } from '../../index.ts'
import { createServer } from '../../server/index.ts'
import { isSampling } from '../../server/sampling.ts'
import { UsageError } from '../failure.ts'
import { GENERATE_FLAGS, list, MODEL_FLAGS, modelOptions, number, valuesOf, withFlags } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { named } from '../models-folder.ts'
import { type Context, tell } from '../terminal.ts'

const EXAMPLES = `
Examples:
  gpt4all-ts serve                                    what lies in the models folder, on http://127.0.0.1:4891
  gpt4all-ts serve -m Llama-3.2-1B-Instruct-Q4_0 --parallel 4
  gpt4all-ts serve --host 0.0.0.0 --api-key "$KEY"`

/** The sampling flags that set a server's defaults. */
const DEFAULT_FLAGS = Object.fromEntries(Object.entries(GENERATE_FLAGS).filter(([name]) => isSampling(name)))
const ANSWER_FLAG = {
  ...GENERATE_FLAGS.maxTokens!,
  about: 'tokens of an answer where a request does not say',
  byDefault: 'a chat until its context is full, a completion 16',
}

/** Also for a model given with `--model`, which the server owns as well. */
const ENGINE_RETRY_MS = 60_000

const MOST_TEMPLATE_BYTES = 2 ** 20

async function templateIn(file: string): Promise<string> {
  const refuse = (why: string) => new UsageError(`${file} ${why}`)
  return (await readBytes(file, MOST_TEMPLATE_BYTES, refuse)).toString('utf8')
}

export function addServe(program: Command, { terminal }: Context): void {
  const command = program
    .command('serve')
    .summary("serve models with OpenAI's API")
    .description(
      "Serves models with OpenAI's API and a chat page, until Ctrl-C. Sampling flags hold where a request says nothing.",
    )
    .option(
      '-m, --model <name>',
      'serve this one, loaded at once (default: those in the models folder, on demand)',
    )
    .option('-p, --port <number>', 'port; 0 takes a free one (default: 4891)', number)
    .option('--host <address>', 'where to listen (default: 127.0.0.1)')
    .option('--api-key <key>', 'what requests must bring; also from the environment variable GPT4ALL_API_KEY')
    .option('--allow-anyone', 'listen elsewhere than on this machine without a key')
    .option('--allowed-hosts <names>', 'names of this server, with commas', list)
    .option('--cors-origins <origins>', 'origins whose pages may use it, with commas', list)
    .option(
      '--parallel <count>',
      'generations computed side by side (default: up to 8, as memory allows)',
      number,
    )
    .option('--max-queue <count>', 'generations that may wait (default: 100)', number)
    .option('--body-memory <MiB>', 'memory for the bodies of requests under way (default: 256)', number)
    .option('--body-timeout <seconds>', 'until a body must have come in (default: 60)', number)
    .option('--max-models <count>', 'models loaded at a time (default: 2)', number)
    .option('--idle-timeout <seconds>', 'until an unused model is unloaded (default: 300)', number)
    .option('--stream-interval <ms>', 'how long pieces of a stream may be kept back (default: 32)', number)
    .option('-s, --system <text>', 'system prompt of chats that bring none')
    .option('--chat-template <file>', "Jinja template in place of the models' own")
    .option('--token-limit <count>', 'tokens of an answer at most, whatever a request asks for', number)
    .option('--no-page', 'without the chat page')
    .option('--log-prompts', 'put prompts and answers into the log')
    .addHelpText('after', EXAMPLES)
  withFlags(withFlags(command, MODEL_FLAGS), { ...DEFAULT_FLAGS, maxTokens: ANSWER_FLAG })
  command.action(async (values) => {
    const { note, result, progress, logger: warnings } = terminal()
    const signal = signalOf()
    const { parallel, idleTimeout } = values
    if (idleTimeout < 0) throw new UsageError('--idle-timeout takes seconds of 0 or more')
    const opened = { ...modelOptions(values), ...(parallel !== undefined && { parallel }) }
    const { modelPath = defaultModelPath(), ...others } = opened
    const model =
      values.model &&
      (await GPT4All.load(named(values.model, opened.modelPath), { ...opened, ...progress, signal }))
    if (!model && (await GPT4All.localModels(modelPath)).length === 0)
      warnings.warn(`there is no model in ${modelPath} yet: \`gpt4all-ts models download\` gets one`)
    // Lines of JSON, without a prefix.
    const requests: Logger = { ...warnings, info: note, error: tell }
    const scaled = (value: number | undefined, unit: number) => value && Math.round(value * unit)
    const { maxQueue, maxModels, streamInterval, allowedHosts, corsOrigins, allowAnyone, logPrompts, page } =
      values
    const server = createServer(model, {
      ...(!model && { modelPath, modelOptions: { ...others, logger: warnings } }),
      ...{ maxQueue, maxModels, streamInterval, allowedHosts, corsOrigins, allowAnyone, logPrompts, page },
      apiKey: values.apiKey ?? (process.env.GPT4ALL_API_KEY || undefined),
      systemPrompt: values.system,
      chatTemplate: values.chatTemplate && (await templateIn(values.chatTemplate)),
      maxTokens: values.tokenLimit,
      engineRetry: ENGINE_RETRY_MS,
      idleTimeout: scaled(idleTimeout, 1000),
      bodyMemory: scaled(values.bodyMemory, 2 ** 20),
      bodyTimeout: scaled(values.bodyTimeout, 1000),
      defaults: valuesOf(values, DEFAULT_FLAGS),
      logger: requests,
    })
    const { url } = await server.listen({ port: values.port, host: values.host })
    result(url)
    note(`Chat page: ${url}   API: ${url}/v1   Ctrl-C ends it.`)
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const timer = setTimeout(note, 200, 'Waiting for answers under way; Ctrl-C again ends at once.')
    await server.close()
    clearTimeout(timer)
    await model?.close()
  })
}
