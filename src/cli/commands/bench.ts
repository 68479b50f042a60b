import type { Command } from 'commander'
import { GPT4All } from '../../index.ts'
import { UsageError } from '../failure.ts'
import { MODEL_FLAGS, modelOptions, positive, withFlags } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { named } from '../local-models.ts'
import { usualModel } from '../remembered.ts'
import type { Context } from '../terminal.ts'
import { table } from '../terminal.ts'

const TEXT = 'The river comes down from the hills and turns slowly through the old town. '
const GREEDY = { temp: 0, repeatPenalty: 1 } as const

export function addBench(program: Command, { terminal }: Context): void {
  const command = program
    .command('bench')
    .summary('measure how fast a model is on this machine')
    .description(
      'Measures how fast the model reads prompts and writes answers, in one stream and in several at once.',
    )
    .option(
      '-m, --model <name>',
      'name or path of the model, or hf:owner/repo:quant (default: the last one used)',
    )
    .option('--prompt <tokens>', 'length of the prompt in tokens', positive, 512)
    .option('--tokens <count>', 'length of an answer in tokens', positive, 128)
    .option('--streams <count>', 'number of answers generated at once', positive, 4)
    .option('--runs <count>', 'number of runs; the median is reported', positive, 5)
    .option('--json', 'as JSON')
  withFlags(command, MODEL_FLAGS)
  command.action(async (values) => {
    const { result, progress, note } = terminal()
    const signal = signalOf()
    const { prompt, tokens, streams, runs } = values
    const nCtx = values.nCtx ?? 256 * Math.ceil((prompt + tokens + 64) / 256)
    const { model: given, modelPath } = values
    const name = given === undefined ? await usualModel(modelPath) : named(given, modelPath)
    const options = { ...modelOptions(values), nCtx, parallel: streams }
    const model = await GPT4All.load(name, { ...options, ...progress, signal })
    const most = Math.min(nCtx, model.config?.trainedContextSize ?? nCtx)
    if (prompt + tokens > most)
      throw new UsageError(
        `A prompt of ${prompt} tokens and an answer of ${tokens} do not fit into a context of ${most}.`,
      )
    const measure = new Measure(model, { prompt, tokens, signal })
    note('warming up')
    await measure.stream()
    const figures: Record<string, number[]> = { read: [], write: [], together: [] }
    for (let run = 0; run < runs; run++) {
      note(`run ${run + 1} of ${runs}`)
      const { promptTokensPerSecond, tokensPerSecond } = await measure.stream()
      figures.read?.push(promptTokensPerSecond)
      figures.write?.push(tokensPerSecond)
      figures.together?.push(await measure.together(streams))
    }
    const medians = Object.fromEntries(Object.entries(figures).map(([what, all]) => [what, median(all)]))
    if (values.json)
      result(JSON.stringify({ model: model.name, prompt, tokens, streams, medians, figures }, undefined, 2))
    else {
      const rate = (what: string) => `${medians[what]?.toFixed(1)} tokens/s`
      result(
        table([
          ['model', `${model.name}, ${model.config?.description}, on ${model.device ?? model.backend}`],
          ['read', `${rate('read')}, a prompt of ${prompt} tokens`],
          ['write', `${rate('write')}, one answer of ${tokens} tokens`],
          ['write', `${rate('together')}, ${streams} answers at once`],
        ]),
      )
    }
    await model.close()
  })
}

type Shape = { readonly prompt: number; readonly tokens: number; readonly signal: AbortSignal }

/** Begins each prompt with another number, so that none of it is cached. */
class Measure {
  readonly #model: GPT4All
  readonly #shape: Shape
  #next = 0

  constructor(model: GPT4All, shape: Shape) {
    this.#model = model
    this.#shape = shape
  }

  async stream() {
    const { timings } = await this.#generate(this.#shape.prompt)
    return timings
  }

  /** Tokens per second of all streams together, including the time for their short prompts. */
  async together(count: number): Promise<number> {
    const started = performance.now()
    const all = await Promise.all(Array.from({ length: count }, () => this.#generate(16)))
    const seconds = (performance.now() - started) / 1000
    return all.reduce((sum, { usage }) => sum + usage.completionTokens, 0) / seconds
  }

  async #generate(promptTokens: number) {
    const { tokens, signal } = this.#shape
    const words = `${this.#next++}. ${TEXT.repeat(Math.ceil(promptTokens / 10))}`
    const ids = (await this.#model.tokenize(words)).slice(0, promptTokens)
    const ends = this.#ends()
    const options = { ...GREEDY, maxTokens: tokens, logitBias: ends, signal }
    return this.#model.generate(await this.#model.detokenize(ids), options).result
  }

  /** Bans the end token, so that no answer ends early. */
  #ends(): Record<number, number> {
    const eos = this.#model.config?.metadata['tokenizer.ggml.eos_token_id']
    return eos === undefined ? {} : { [Number(eos)]: Number.NEGATIVE_INFINITY }
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2
}
