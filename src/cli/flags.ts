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
    about: 'tokens to generate at most; "infinity" goes on until the context is full',
    read: count,
    byDefault: DEFAULTS.maxTokens,
  },
  nPredict: { flag: '--n-predict <count>', about: 'the same, as Python calls it too', read: count },
  temp: {
    flag: '-t, --temp <number>',
    about: 'temperature; 0 always takes the likeliest token',
    read: number,
    byDefault: DEFAULTS.temp,
  },
  topK: {
    flag: '--top-k <count>',
    about: 'draw from the k likeliest tokens; 0 = all',
    read: number,
    byDefault: DEFAULTS.topK,
  },
  topP: {
    flag: '--top-p <share>',
    about: 'draw from the likeliest that together reach this probability; 1 = all',
    read: number,
    byDefault: DEFAULTS.topP,
  },
  minP: {
    flag: '--min-p <share>',
    about: 'drop tokens less likely than this share of the likeliest; 0 = none',
    read: number,
    byDefault: DEFAULTS.minP,
  },
  repeatPenalty: {
    flag: '--repeat-penalty <number>',
    about: 'divides the logits of the last tokens; 1 = off',
    read: number,
    byDefault: DEFAULTS.repeatPenalty,
  },
  repeatLastN: {
    flag: '--repeat-last-n <count>',
    about: 'tokens that the repeat penalty looks back on',
    read: number,
    byDefault: DEFAULTS.repeatLastN,
  },
  presencePenalty: {
    flag: '--presence-penalty <number>',
    about: 'taken off what was there before',
    read: number,
    byDefault: DEFAULTS.presencePenalty,
  },
  frequencyPenalty: {
    flag: '--frequency-penalty <number>',
    about: 'the same, for each time that it was there',
    read: number,
    byDefault: DEFAULTS.frequencyPenalty,
  },
  logitBias: {
    flag: '--logit-bias <token=number>',
    about: 'what the logit of a token gains, by its id; -inf bans it; may be given several times',
    read: bias,
  },
  seed: { flag: '--seed <integer>', about: 'repeats a run', read: number },
  stop: {
    flag: '--stop <text>',
    about: 'a text that ends the answer; may be given several times',
    read: collect,
  },
  logprobs: {
    flag: '--logprobs <count>',
    about: 'with --json: log probabilities of the tokens, and of so many of the likeliest',
    read: number,
  },
  nBatch: {
    flag: '--n-batch <count>',
    about: 'prompt tokens per step',
    read: number,
    byDefault: DEFAULTS.nBatch,
  },
  promptLookup: {
    flag: '--prompt-lookup',
    about: 'guess from the prompt: faster where its text is repeated',
  },
}

export const MODEL_FLAGS: Readonly<Record<string, Flag>> = {
  modelPath: { flag: '--model-path <folder>', about: 'folder of the models', byDefault: '~/.cache/gpt4all' },
  nCtx: { flag: '-c, --n-ctx <tokens>', about: 'tokens of context', read: number, byDefault: DEFAULTS.nCtx },
  nThreads: {
    flag: '--n-threads <count>',
    about: 'threads that compute',
    read: number,
    byDefault: 'all usable cores',
  },
  device: {
    flag: '--device <name>',
    about: 'cpu, gpu, cuda, vulkan, metal, or a name; several with commas',
    read: list,
  },
  strictDevice: {
    flag: '--strict-device',
    about: 'fail where the device is not there, instead of using the CPU',
  },
  ngl: { flag: '--ngl <layers>', about: 'layers on the GPU', read: number, byDefault: DEFAULTS.ngl },
  kvType: {
    flag: '--kv-type <type>',
    about: 'what keys and values are kept as: f16, q8_0 ...',
    byDefault: 'f16',
  },
  lora: { flag: '--lora <file[=scale]>', about: 'a LoRA adapter; may be given several times', read: adapter },
  draftModel: { flag: '--draft-model <name>', about: 'a smaller model that guesses' },
  isolated: {
    flag: '--isolated',
    about: 'compute in a process of its own: a crash in there is an error, and it starts anew',
  },
  rpcServers: {
    flag: '--rpc-servers <host:port>',
    about: 'ggml-rpc-servers that take a part of the model; several with commas',
    read: list,
  },
  tensorSplit: {
    flag: '--tensor-split <shares>',
    about: 'how the layers are shared out, a number a device, with commas',
    read: (text) => list(text).map(number),
  },
  allowDownload: { flag: '--no-allow-download', about: 'use what lies on the disk, or fail' },
  tryFirst: {
    flag: '--no-try-first',
    about: 'do not open a new file in a child process first, which damage may end',
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
export const modelOptions = (values: Readonly<Record<string, unknown>>): ModelOptions =>
  valuesOf(values, MODEL_FLAGS)

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
