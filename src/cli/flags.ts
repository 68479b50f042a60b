import { type Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULTS, type GenerateOptions, type LoraAdapter, type ModelOptions } from '../index.ts'

/** A flag of the command line, and the option of the library that it sets. */
type Flag = {
  readonly flag: string
  readonly about: string
  /**
   * Converts the flag's text to a value; without it, the text is the value. Flags without a value need none.
   */
  readonly read?: (text: string, before: unknown) => unknown
  /** The default shown in the help. */
  readonly byDefault?: string | number | undefined
}

/** Named like Python's options, plus our own. */
export const GENERATE_FLAGS: Readonly<Record<string, Flag>> = {
  maxTokens: {
    flag: '-n, --max-tokens <count>',
    about: 'maximum number of tokens to generate; "infinity" means until the context is full',
    read: count,
    byDefault: DEFAULTS.maxTokens,
  },
  nPredict: { flag: '--n-predict <count>', about: 'the same as --max-tokens, as in Python', read: count },
  temp: {
    flag: '-t, --temp <number>',
    about: 'temperature; 0 always picks the most likely token',
    read: number,
    byDefault: DEFAULTS.temp,
  },
  topK: {
    flag: '--top-k <count>',
    about: 'sample from the k most likely tokens; 0 = all',
    read: number,
    byDefault: DEFAULTS.topK,
  },
  topP: {
    flag: '--top-p <share>',
    about: 'sample from the most likely tokens that together reach this probability; 1 = all',
    read: number,
    byDefault: DEFAULTS.topP,
  },
  minP: {
    flag: '--min-p <share>',
    about: 'drop tokens less likely than this share of the most likely one; 0 = off',
    read: number,
    byDefault: DEFAULTS.minP,
  },
  repeatPenalty: {
    flag: '--repeat-penalty <number>',
    about: 'penalty on recently generated tokens; 1 = off',
    read: number,
    byDefault: DEFAULTS.repeatPenalty,
  },
  repeatLastN: {
    flag: '--repeat-last-n <count>',
    about: 'number of recent tokens that --repeat-penalty applies to',
    read: number,
    byDefault: DEFAULTS.repeatLastN,
  },
  penalizePrompt: {
    flag: '--penalize-prompt',
    about: 'apply --repeat-penalty to the tokens of the prompt too, as GPT4All 2.8.2 did',
  },
  presencePenalty: {
    flag: '--presence-penalty <number>',
    about: 'subtracted from the logits of tokens generated so far',
    read: number,
    byDefault: DEFAULTS.presencePenalty,
  },
  frequencyPenalty: {
    flag: '--frequency-penalty <number>',
    about: 'subtracted once for each time that a token was generated',
    read: number,
    byDefault: DEFAULTS.frequencyPenalty,
  },
  logitBias: {
    flag: '--logit-bias <token=number>',
    about: 'add to the logit of the token with this id; -inf bans it; may be given several times',
    read: bias,
  },
  seed: { flag: '--seed <integer>', about: 'makes a run repeatable', read: number },
  stop: {
    flag: '--stop <text>',
    about: 'a text that ends the answer; may be given several times',
    read: collect,
  },
  logprobs: {
    flag: '--logprobs <count>',
    about: 'with --json: log probabilities of the tokens, and of this many most likely ones at each step',
    read: number,
  },
  nBatch: {
    flag: '--n-batch <count>',
    about: 'prompt tokens evaluated per step',
    read: number,
    byDefault: DEFAULTS.nBatch,
  },
  promptLookup: {
    flag: '--prompt-lookup',
    about: 'guess tokens from the prompt: faster if the answer repeats it',
  },
}

export const MODEL_FLAGS: Readonly<Record<string, Flag>> = {
  modelPath: { flag: '--model-path <folder>', about: 'models folder', byDefault: '~/.cache/gpt4all' },
  nCtx: {
    flag: '-c, --n-ctx <tokens>',
    about: 'context size in tokens',
    read: number,
    byDefault: DEFAULTS.nCtx,
  },
  nThreads: {
    flag: '--n-threads <count>',
    about: 'number of compute threads',
    read: number,
    byDefault: 'all usable cores',
  },
  device: {
    flag: '--device <name>',
    about: 'cpu, gpu, cuda, vulkan, metal, or a device name; separate several with commas',
    read: list,
  },
  strictDevice: {
    flag: '--strict-device',
    about: 'fail if the device is not available, instead of using the CPU',
  },
  ngl: {
    flag: '--ngl <layers>',
    about: 'number of layers on the GPU',
    read: number,
    byDefault: DEFAULTS.ngl,
  },
  kvType: {
    flag: '--kv-type <type>',
    about: 'data type of the KV cache: f16, q8_0 ...',
    byDefault: 'f16',
  },
  lora: { flag: '--lora <file[=scale]>', about: 'a LoRA adapter; may be given several times', read: adapter },
  draftModel: { flag: '--draft-model <name>', about: 'a smaller model that guesses tokens ahead' },
  isolated: {
    flag: '--isolated',
    about: 'compute in a separate process: a crash there is an error, and the process restarts',
  },
  rpcServers: {
    flag: '--rpc-servers <host:port>',
    about: 'ggml-rpc-servers that compute a part of the model; separate several with commas',
    read: list,
  },
  tensorSplit: {
    flag: '--tensor-split <shares>',
    about: 'how to distribute the layers: a number for each device, separated by commas',
    read: (text) => list(text).map(number),
  },
  allowDownload: { flag: '--no-allow-download', about: 'fail if the model is not on the disk' },
  tryFirst: {
    flag: '--no-try-first',
    about: 'do not try new model files in a child process first',
  },
}

/** Adds the flags to a command. */
export function withFlags(command: Command, flags: Readonly<Record<string, Flag>>): Command {
  for (const { flag, about, read, byDefault } of Object.values(flags)) {
    const option = new Option(flag, byDefault === undefined ? about : `${about} (default: ${byDefault})`)
    command.addOption(read ? option.argParser(read) : option)
  }
  return command
}

/** Those of commander's values that belong to `flags`. */
export function valuesOf(
  values: Readonly<Record<string, unknown>>,
  flags: Readonly<Record<string, Flag>>,
): object {
  return Object.fromEntries(
    Object.keys(flags)
      .filter((name) => values[name] !== undefined)
      .map((name) => [name, values[name]]),
  )
}

export const generateOptions = (values: Readonly<Record<string, unknown>>): GenerateOptions =>
  valuesOf(values, GENERATE_FLAGS)
export const modelOptions = (
  values: Readonly<Record<string, unknown>>,
): Omit<ModelOptions, 'modelPath'> & { readonly modelPath?: string } => valuesOf(values, MODEL_FLAGS)

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('It must be a number.')
  return value
}

/** A count of at least 1. */
export function positive(text: string): number {
  const value = number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new InvalidArgumentError('It must be an integer of 1 or more.')
}

function count(text: string): number {
  return /^inf(inity)?$/i.test(text) ? Number.POSITIVE_INFINITY : number(text)
}

function collect(text: string, before: unknown): string[] {
  return [...((before as string[] | undefined) ?? []), text]
}

function bias(text: string, before: unknown): Record<number, number> {
  const [, token, value] = /^(\d+)=(.+)$/.exec(text) ?? []
  if (token === undefined || value === undefined)
    throw new InvalidArgumentError('It must be like 42=-5 or 42=-inf.')
  const gain = /^-inf(inity)?$/i.test(value) ? Number.NEGATIVE_INFINITY : number(value)
  return { ...(before as Record<number, number> | undefined), [token]: gain }
}

/** Parses a comma-separated list. */
export function list(text: string): string[] {
  return text.split(',').map((name) => name.trim())
}

function adapter(text: string, before: unknown): LoraAdapter[] {
  const [, path = text, scale] = /^(.*?)(?:=([\d.]+))?$/.exec(text) ?? []
  const one = { path, ...(scale !== undefined && { scale: number(scale) }) }
  return [...((before as LoraAdapter[] | undefined) ?? []), one]
}
