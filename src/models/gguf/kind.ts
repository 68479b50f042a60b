import { type Metadata, unsupported } from './model.ts'

/** A kind of model, and what this library does with it, before llama.cpp has read the file. */
type ModelKind = {
  readonly kind:
    | 'decoder'
    | 'sliding-window'
    | 'recurrent'
    | 'hybrid'
    | 'encoder'
    | 'encoder-decoder'
    | 'diffusion'
  readonly generatesText: boolean
  /** One plain sentence. */
  readonly behaviour: string
}

const BEHAVIOUR: Readonly<Record<ModelKind['kind'], string>> = {
  decoder: 'Works.',
  'sliding-window':
    'Works; what slid out of the window is evaluated again when a conversation is rolled back.',
  recurrent: 'Works; a conversation that is rolled back or branches is evaluated again from its start.',
  hybrid: 'Works; a conversation that is rolled back or branches is evaluated again from its start.',
  encoder: 'Makes embeddings, not text.',
  'encoder-decoder': 'Not supported: it answers a whole text at once and cannot continue a conversation.',
  diffusion: 'Not supported: it fills in a whole text in rounds instead of writing it token by token.',
}

/** Kinds that the header does not show otherwise; source: llama_model_has_encoder, llm_arch_is_diffusion. */
const KIND_BY_ARCHITECTURE: ReadonlyMap<string, ModelKind['kind']> = new Map<string, ModelKind['kind']>([
  ['t5', 'encoder-decoder'],
  ['t5encoder', 'encoder'],
  ['bert', 'encoder'],
  ['modern-bert', 'encoder'],
  ['nomic-bert', 'encoder'],
  ['nomic-bert-moe', 'encoder'],
  ['neo-bert', 'encoder'],
  ['jina-bert-v2', 'encoder'],
  ['jina-bert-v3', 'encoder'],
  ['eurobert', 'encoder'],
  ['gemma-embedding', 'encoder'],
  ['llama-embed', 'encoder'],
  ['dream', 'diffusion'],
  ['llada', 'diffusion'],
  ['llada-moe', 'diffusion'],
  ['rnd1', 'diffusion'],
])

type GgufFacts = { readonly architecture: string; readonly metadata: Metadata }

/** The kind of model that a header announces. After loading, llama.cpp's own flags decide. */
export function describeKind(header: GgufFacts): ModelKind {
  const kind = kindOf(header.architecture, header.metadata)
  const generatesText = !['encoder', 'encoder-decoder', 'diffusion'].includes(kind)
  return { kind, generatesText, behaviour: BEHAVIOUR[kind] }
}

function kindOf(architecture: string, metadata: Metadata): ModelKind['kind'] {
  const known = KIND_BY_ARCHITECTURE.get(architecture)
  if (known !== undefined) return known
  const has = (prefix: string) => [...metadata.keys()].some((key) => key.startsWith(prefix))
  if (has('diffusion.') || has(`${architecture}.diffusion.`)) return 'diffusion'
  const causal = metadata.get(`${architecture}.attention.causal`)
  if (causal?.type === 'bool' && causal.value === false) return 'encoder'
  const recurrent = ['ssm.', 'wkv.', 'shortconv.', 'kda.'].some((part) => has(`${architecture}.${part}`))
  const heads = metadata.get(`${architecture}.attention.head_count`)
  const attends = heads?.type === 'array' || (heads !== undefined && Number(heads.value) > 0)
  if (recurrent) return attends && !has(`${architecture}.wkv.`) ? 'hybrid' : 'recurrent'
  return has(`${architecture}.attention.sliding_window`) ? 'sliding-window' : 'decoder'
}

/** @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for a model that does not write text. */
export function assertGeneratesText(header: {
  readonly path: string
  readonly architecture: string
  readonly metadata: Metadata
}): void {
  const { kind, generatesText, behaviour } = describeKind(header)
  if (generatesText) return
  const what = `holds a model of the architecture "${header.architecture}", ${kind === 'diffusion' ? 'a' : 'an'} ${kind} model, which cannot be used to generate text`
  const ranks = ownPooling(header) === RANK
  const does = ranks ? 'Ranks documents. Open it with Reranker.' : `${behaviour} Open it with Embed4All.`
  throw unsupported(header.path, `${what}. ${(kind === 'encoder' ? does : behaviour).replace(/\.$/, '')}`)
}

/** The pooling of files that rank. Source: enum llama_pooling_type. */
const RANK = 4

/** @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for a model that has no scores for documents */
export function assertRanks(header: GgufFacts & { readonly path: string }): void {
  if (ownPooling(header) === RANK) return
  const why = 'its file has no classification head ("pooling_type" 4, as bge-reranker and jina-reranker have)'
  throw unsupported(header.path, `cannot rank documents: ${why}`)
}

/**
 * @throws {ModelError} `ERR_MODEL_UNSUPPORTED` for a model that makes no embeddings, or does not say how, where
 * `pooling` is not given either
 */
export function assertEmbeds(
  header: {
    readonly path: string
    readonly architecture: string
    readonly metadata: Metadata
  },
  pooling: string | undefined,
): void {
  const { path, architecture } = header
  const { kind } = describeKind(header)
  const refuse = (why: string) => unsupported(path, `makes no embeddings: ${why}`)
  if (kind === 'encoder-decoder' || kind === 'diffusion')
    throw refuse(`it holds ${kind === 'diffusion' ? 'a' : 'an'} ${kind} model ("${architecture}")`)
  if (pooling !== undefined) return
  const own = ownPooling(header)
  if (own === RANK) throw refuse('it ranks documents, which Reranker does')
  if (own > 0) return
  throw refuse(
    kind === 'encoder'
      ? 'it does not say how the vectors of its tokens become one. Give the option "pooling"'
      : 'it generates text, which GPT4All does. Its vectors are only of use with the option "pooling"',
  )
}

function ownPooling({ architecture, metadata }: GgufFacts): number {
  const entry = metadata.get(`${architecture}.pooling_type`)
  return entry?.type === 'array' ? 0 : Number(entry?.value ?? 0)
}

/** What a model is for. One that could do more, such as Qwen3-Embedding, says with its pooling what it was trained for. */
export function purposeOf(header: GgufFacts): 'text' | 'embeddings' | 'ranking' | undefined {
  const { kind, generatesText } = describeKind(header)
  if (!generatesText && kind !== 'encoder') return undefined
  const pooling = ownPooling(header)
  if (pooling > 0) return pooling === RANK ? 'ranking' : 'embeddings'
  return generatesText ? 'text' : undefined
}
