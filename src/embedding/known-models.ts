import { optionError, worded } from '../core/errors.ts'

/** How a model was trained to be used, which its file does not say. */
export type KnownModel = {
  /** What a text that is searched begins with, and what is used where no prefix is given. */
  readonly documentPrefix: string
  /** What a question begins with. */
  readonly queryPrefix: string
  readonly otherPrefixes?: readonly string[]
  /** Vectors can be cut: these lengths are recommended. */
  readonly dimensionalities?: readonly number[]
}

const PLAIN: KnownModel = { documentPrefix: '', queryPrefix: '' }
const NOMIC: KnownModel = {
  documentPrefix: 'search_document',
  queryPrefix: 'search_query',
  otherPrefixes: ['clustering', 'classification'],
}
const NOMIC_1_5: KnownModel = { ...NOMIC, dimensionalities: [768, 512, 384, 256, 128] }
const LLM_EMBEDDER: KnownModel = {
  documentPrefix: 'Represent this document for retrieval',
  queryPrefix: 'Represent this query for retrieving relevant documents',
}
const BGE: KnownModel = {
  documentPrefix: '',
  queryPrefix: 'Represent this sentence for searching relevant passages',
}
const E5: KnownModel = { documentPrefix: 'passage', queryPrefix: 'query' }
const E5_INSTRUCT: KnownModel = {
  documentPrefix: '',
  queryPrefix: 'Instruct: Given a query, retrieve relevant passages that answer the query\nQuery',
}

/** By `general.name`. Source: EMBEDDING_MODEL_SPECS of GPT4All's llamamodel.cpp. */
const KNOWN: ReadonlyMap<string, KnownModel> = new Map<string, KnownModel>([
  ...[6, 12].flatMap((layers) =>
    [1, 2].map((version): [string, KnownModel] => [`all-minilm-l${layers}-v${version}`, PLAIN]),
  ),
  ['nomic-embed-text-v1', NOMIC],
  ['nomic-embed-text-v1-ablated', NOMIC],
  ['nomic-embed-text-v1-unsupervised', NOMIC],
  ['nomic-embed-text-v1.5', NOMIC_1_5],
  ['llm-embedder', LLM_EMBEDDER],
  ...['small', 'base', 'large'].flatMap((size): [string, KnownModel][] => [
    [`bge-${size}-en`, BGE],
    [`bge-${size}-en-v1.5`, BGE],
    [`e5-${size}`, E5],
    [`e5-${size}-unsupervised`, E5],
    [`e5-${size}-v2`, E5],
    [`multilingual-e5-${size}`, E5_INSTRUCT],
  ]),
  ['e5-mistral-7b-instruct', E5_INSTRUCT],
  ['multilingual-e5-large-instruct', E5_INSTRUCT],
])

/** As Python's messages begin. */
export const FAILED = 'Failed to generate embeddings'

/** What is known of a model; files of today spell names apart: `Nomic Embed Text v1.5`. */
export function knownModel(name: string): KnownModel | undefined {
  return KNOWN.get(name.toLowerCase().replaceAll(' ', '-'))
}

/** The prefix of texts that are searched, where it is known; otherwise none. */
export function documentPrefix(name: string): string {
  return knownModel(name)?.documentPrefix ?? ''
}

/**
 * The prefix to use where `given` is what the caller gave.
 * @throws {TypeError} `ERR_OPTION` for one that the model does not know, and for none where that is not known
 */
export function prefixFor(name: string, given: string | undefined): string {
  const known = knownModel(name)
  if (!known) {
    if (given !== undefined) return given
    throw worded(
      optionError('prefix', 'a string', given),
      `${FAILED}: unknown model ${name}, specify a prefix if applicable or an empty string`,
    )
  }
  const { documentPrefix, queryPrefix, otherPrefixes = [] } = known
  const valid = [documentPrefix, queryPrefix, ...otherPrefixes]
  if (given === undefined) return documentPrefix
  if (valid.includes(given)) return given
  const list = [...new Set(valid)].map((prefix) => JSON.stringify(prefix)).join(', ')
  throw worded(
    optionError('prefix', `one of ${list}`, given),
    `${FAILED}: ${JSON.stringify(given)} is not a valid task type for model ${name} (they are ${list})`,
  )
}

/**
 * How many numbers a vector is to have, of `size`.
 * @throws {RangeError} `ERR_OPTION` for more than it has, and for fewer where the model was not trained for that
 */
export function dimensionalityFor(name: string, size: number, wanted: number | undefined): number {
  if (wanted === undefined || wanted === size) return size
  const known = knownModel(name)
  const isCut = known?.dimensionalities !== undefined || !known
  if (isCut && wanted < size) return wanted
  const advice = known?.dimensionalities
    ? `recommended: [${known.dimensionalities.join(', ')}]`
    : `supported: ${size}`
  throw worded(
    optionError('dimensionality', 'an integer', wanted),
    `${FAILED}: unsupported dimensionality ${wanted} for model ${name} (${advice})`,
  )
}
