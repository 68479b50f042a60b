/** What the program and the child process that tries a model file say to each other. */
import type { ModelFile } from '../../models/gguf/header.ts'
import type { Pooling } from '../../native/contract.ts'
import type { CacheOptions } from '../../options/compute.ts'

export type OpeningInput = {
  /** The model's files, one unless it is split. */
  readonly parts: readonly ModelFile[]
  readonly adapters: readonly ModelFile[]
  /** Where the child puts links to the parts that it holds: see `withPartLinks()`. */
  readonly links: readonly string[]
  readonly cache: CacheOptions
  /** The pooling, where the model is to make embeddings. */
  readonly pooling?: Pooling | 'file'
}

/** The steps of loading, each begun where a stage of `NativeModelLoad` is over. */
export const LOADING: readonly string[] = [
  'loading it',
  'loading its tokens',
  'loading its vocabulary',
  'loading its weights',
]
/** The step after them; texts are tokenized while the context is made. */
export const MAKING_CONTEXT = 'reading its vocabulary and making a context'

/** The word for files that are not those that were checked. */
export const CHANGED = 'changed'
/** The word for a model that llama.cpp refuses with an error, which the program will get too. */
export const REFUSED = 'refused'
/** The word for a model whose logits are not numbers. */
export const NO_NUMBERS = 'no numbers'
