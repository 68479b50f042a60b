import { type Command, Option } from 'commander'
import { Embed4All, type EmbeddedText, type EmbedderOptions } from '../../index.ts'
import { UsageError } from '../failure.ts'
import { MODEL_FLAGS, positive, valuesOf, withFlags } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { linesOf } from '../lines.ts'
import { named } from '../local-models.ts'
import { obeysEscapes } from '../styled.ts'
import type { Context } from '../terminal.ts'

/** As the last word: more texts come from stdin. */
const STDIN = '-'
const STATUS_MS = 100

const EXAMPLES = `
Examples:
  gpt4all-ts embed "How are you?" "What is the weather like?"
  gpt4all-ts embed --jsonl < texts.txt > vectors.jsonl
  gpt4all-ts embed -m nomic-embed-text-v1.5.f16 --prefix search_query --dimensions 256 "Who wrote Faust?"`

/** Flags of models that write text. */
const OF_TEXT = ['kvType', 'draftModel']
const EMBED_FLAGS = Object.fromEntries(
  Object.entries(MODEL_FLAGS).filter(([name]) => !OF_TEXT.includes(name)),
)

export function addEmbed(program: Command, { terminal }: Context): void {
  const command = program
    .command('embed')
    .summary('turn texts into vectors')
    .description(
      'Writes the vector of each text to stdout, one a line: an array of numbers in JSON, unless a flag says otherwise.',
    )
    .argument(
      '[text...]',
      'the texts; without any, each line of stdin is one; a last argument - reads stdin after them',
    )
    .option(
      '-m, --model <name>',
      'name or path of the model, or hf:owner/repo:quant (default: all-MiniLM-L6-v2.gguf2.f16.gguf)',
    )
    .option('--jsonl', 'write objects in JSON with text and embedding')
    .option('--csv', 'write rows of values: the text, then the numbers')
    .option(
      '--prefix <text>',
      'what the texts are for, such as search_query (default: documents, where known)',
    )
    .option('--dimensions <count>', 'how many numbers a vector has (default: all)', positive)
    .addOption(
      new Option(
        '--long-texts <how>',
        'of a text that is too long, take the mean of its pieces, or the beginning, or fail (default: mean)',
      ).choices(['mean', 'truncate', 'error']),
    )
    .addOption(
      new Option('--pooling <how>', "how the vectors of tokens become one (default: the file's)").choices([
        'mean',
        'cls',
        'last',
      ]),
    )
    .addHelpText('after', EXAMPLES)
  withFlags(command, EMBED_FLAGS)
  command.action(async (words: string[], values) => {
    const { write, progress, quiet } = terminal()
    const signal = signalOf()
    const { model: name, modelPath, pooling, prefix, dimensions, longTexts, jsonl, csv } = values
    if (jsonl && csv) throw new UsageError('--jsonl cannot be combined with --csv.')
    const texts = textsOf(words, signal)
    const options: EmbedderOptions = { ...valuesOf(values, EMBED_FLAGS), ...progress, pooling, signal }
    const embedder = await Embed4All.load(name && named(name, modelPath), options)
    const line = jsonl ? asObject : csv ? asRow : asArray
    const status = new Count(quiet ? undefined : process.stderr)
    try {
      const embedding = { prefix, dimensionality: dimensions, longTextMode: longTexts, signal }
      for await (const one of embedder.embedAll(texts, embedding)) {
        await write(`${line(one)}\n`)
        status.show(one.index + 1)
      }
    } finally {
      status.end()
    }
    await embedder.close()
  })
}

function textsOf(words: readonly string[], signal: AbortSignal): Iterable<string> | AsyncIterable<string> {
  const reads = words.length === 0 || words.at(-1) === STDIN
  if (!reads) return words
  if (process.stdin.isTTY && words.length === 0)
    throw new UsageError('There are no texts. Pass them as arguments, or as lines through a pipe.')
  return (async function* () {
    yield* words.slice(0, -1)
    yield* linesOf(process.stdin, signal)
  })()
}

const asArray = ({ embedding }: EmbeddedText): string => `[${embedding.join(',')}]`
const asObject = ({ text, embedding }: EmbeddedText): string =>
  JSON.stringify({ text, embedding: Array.from(embedding) })
/** Source: RFC 4180. */
const asRow = ({ text, embedding }: EmbeddedText): string =>
  `"${text.replaceAll('"', '""')}",${embedding.join(',')}`

/** Says on a terminal how many texts are done, in a line of its own that goes again. */
class Count {
  readonly #stream: NodeJS.WriteStream | undefined
  #shownAt = Number.NEGATIVE_INFINITY

  /** Nothing is said without a stream, and between results. */
  constructor(stream: NodeJS.WriteStream | undefined) {
    const isAlone = stream !== undefined && obeysEscapes(stream) && !process.stdout.isTTY
    this.#stream = isAlone ? stream : undefined
  }

  show(texts: number): void {
    const now = performance.now()
    if (now - this.#shownAt < STATUS_MS) return
    this.#shownAt = now
    this.#stream?.write(`\r\x1b[Kembedded ${texts} ${texts === 1 ? 'text' : 'texts'}`)
  }

  end(): void {
    this.#stream?.write('\r\x1b[K')
  }
}
