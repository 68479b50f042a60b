import type { Command } from 'commander'
import { readBytes } from '../../core/regular-file.ts'
import { defaultModelPath, GPT4All, type Logger, type ModelOptions } from '../../index.ts'
import { createServer } from '../../server/index.ts'
import { load, purposeOf } from '../../server/models/purpose.ts'
import { isSampling } from '../../server/sampling.ts'
import { UsageError } from '../failure.ts'
import { GENERATE_FLAGS, list, MODEL_FLAGS, modelOptions, number, valuesOf, withFlags } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { named } from '../local-models.ts'
import { type Context, toStderr } from '../terminal.ts'

const EXAMPLES = `
Examples:
  gpt4all-ts serve                                    the models folder, on http://127.0.0.1:4891
  gpt4all-ts serve -m Llama-3.2-1B-Instruct-Q4_0 --parallel 4
  gpt4all-ts serve --host 0.0.0.0 --api-key "$KEY"`

/** The sampling flags that set a server's defaults. */
const DEFAULT_FLAGS = Object.fromEntries(Object.entries(GENERATE_FLAGS).filter(([name]) => isSampling(name)))
const ANSWER_FLAG = {
  ...GENERATE_FLAGS.maxTokens!,
  about: 'maximum length of an answer in tokens, if the request does not set it',
  byDefault: 'for a chat until its context is full, for a completion 16',
}

/** The flags that are options of the server under the same names and in the same units. */
const AS_GIVEN = [
  ...(['maxQueue', 'maxModels', 'streamInterval', 'allowedHosts', 'corsOrigins'] as const),
  ...(['allowAnyone', 'logPrompts', 'page', 'strict'] as const),
]

/** Also for a model given with `--model`, which the server owns as well. */
const ENGINE_RETRY_MS = 60_000

const MOST_TEMPLATE_BYTES = 2 ** 20

async function templateIn(file: string): Promise<string> {
  const refuse = (why: string) => new UsageError(`${file} ${why}`)
  return (await readBytes(file, MOST_TEMPLATE_BYTES, refuse)).toString('utf8')
}

/** Opens a model for what its file says that it is for. */
async function openForItsPurpose(name: string, options: ModelOptions) {
  const { modelPath, allowDownload, onProgress, logger, signal } = options
  const { path } = await GPT4All.retrieveModel(name, { modelPath, allowDownload, onProgress, logger, signal })
  const { purpose = 'text' } = await GPT4All.describeModel(path, { signal })
  return load(name, purpose, options)
}

export function addServe(program: Command, { terminal }: Context): void {
  const command = program
    .command('serve')
    .summary("serve models with OpenAI's API")
    .description(
      "Serves models with OpenAI's API and a chat page, until Ctrl-C. Sampling flags set the defaults of requests.",
    )
    .option(
      '-m, --model <name>',
      'serve only this model, loaded now (default: all in the models folder, loaded on demand)',
    )
    .option('-p, --port <number>', 'port; 0 picks a free one (default: 4891)', number)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option(
      '--api-key <key>',
      'key that requests must send (default: the environment variable GPT4ALL_API_KEY)',
    )
    .option('--allow-anyone', 'allow a --host other than this machine without an API key')
    .option('--allowed-hosts <names>', 'host names of this server, separated by commas', list)
    .option('--cors-origins <origins>', 'origins whose pages may use this server, separated by commas', list)
    .option(
      '--parallel <count>',
      'generations that run side by side (default: up to 8, as memory allows)',
      number,
    )
    .option('--max-queue <count>', 'generations that may wait (default: 100)', number)
    .option('--body-memory <MiB>', 'memory for the bodies of requests in progress (default: 256)', number)
    .option('--body-timeout <seconds>', 'time within which a body must arrive (default: 60)', number)
    .option('--max-models <count>', 'models loaded at the same time (default: 2)', number)
    .option('--idle-timeout <seconds>', 'time after which an unused model is unloaded (default: 300)', number)
    .option('--stream-interval <ms>', 'how long pieces of a stream may be held back (default: 32)', number)
    .option(
      '--ping-interval <seconds>',
      'how often a stream that waits sends a comment (default: 15; Infinity: never)',
      number,
    )
    .option('--strict', 'refuse requests with parameters that the server does not know')
    .option('-s, --system <text>', 'system prompt for chats that have none')
    .option('--chat-template <file>', "Jinja template that replaces the models' own")
    .option(
      '--token-limit <count>',
      'maximum length of an answer in tokens, whatever the request asks for',
      number,
    )
    .option('--no-page', 'do not serve the chat page')
    .option('--log-prompts', 'write prompts and answers to the log')
    .addHelpText('after', EXAMPLES)
  withFlags(withFlags(command, MODEL_FLAGS), { ...DEFAULT_FLAGS, maxTokens: ANSWER_FLAG })
  command.action(async (values) => {
    const { note, result, progress, logger: warnings } = terminal()
    const signal = signalOf()
    const { parallel, idleTimeout } = values
    if (idleTimeout < 0) throw new UsageError('--idle-timeout expects a number of seconds of at least 0.')
    const opened = { ...modelOptions(values), ...(parallel !== undefined && { parallel }) }
    const { modelPath = defaultModelPath(), ...others } = opened
    const model =
      values.model &&
      (await openForItsPurpose(named(values.model, opened.modelPath), { ...opened, ...progress, signal }))
    if (!model && (await GPT4All.localModels(modelPath)).length === 0)
      warnings.warn(`${modelPath} has no models yet. Download one with \`gpt4all-ts models download\`.`)
    // Lines of JSON, without a prefix.
    const requests: Logger = { ...warnings, info: note, error: toStderr }
    const scaled = (value: number | undefined, unit: number) => value && Math.round(value * unit)
    const server = createServer(model, {
      ...(!model && { modelPath, modelOptions: { ...others, logger: warnings } }),
      ...Object.fromEntries(AS_GIVEN.map((name) => [name, values[name]])),
      apiKey: values.apiKey ?? (process.env.GPT4ALL_API_KEY || undefined),
      systemPrompt: values.system,
      chatTemplate: values.chatTemplate && (await templateIn(values.chatTemplate)),
      maxTokens: values.tokenLimit,
      engineRetry: ENGINE_RETRY_MS,
      idleTimeout: scaled(idleTimeout, 1000),
      bodyMemory: scaled(values.bodyMemory, 2 ** 20),
      bodyTimeout: scaled(values.bodyTimeout, 1000),
      pingInterval: scaled(values.pingInterval, 1000),
      defaults: valuesOf(values, DEFAULT_FLAGS),
      logger: requests,
    })
    const { url } = await server.listen({ port: values.port, host: values.host })
    result(url)
    const page = !model || purposeOf(model) === 'text' ? `Chat page: ${url}   ` : ''
    note(`${page}API: ${url}/v1   Press Ctrl-C to stop.`)
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const timer = setTimeout(
      note,
      200,
      'Waiting for requests in progress. Press Ctrl-C again to stop at once.',
    )
    await server.close()
    clearTimeout(timer)
    await model?.close()
  })
}
