import * as v from 'valibot'
import { wrongWithName } from '../names.ts'

const text = v.optional(
  v.pipe(
    v.nullable(v.string()),
    v.transform((value) => value ?? undefined),
  ),
)
/** Catalogs write numbers and booleans as text. */
const number = v.optional(
  v.pipe(
    v.nullable(v.union([v.number(), v.string()])),
    v.transform((value) => (value === null ? undefined : Number(value))),
    v.optional(v.pipe(v.number(), v.finite())),
  ),
)
/** Bytes; a value that cannot be the size of a file counts as missing. */
const size = v.optional(
  v.pipe(
    v.nullable(v.union([v.number(), v.string()])),
    v.transform(Number),
    v.transform((value) => (Number.isSafeInteger(value) && value > 0 ? value : undefined)),
  ),
)
const truth = v.optional(
  v.pipe(
    v.union([v.boolean(), v.literal('true'), v.literal('false')]),
    v.transform((value) => value === true || value === 'true'),
  ),
)
const hash = (digits: number) =>
  v.optional(
    v.pipe(
      v.nullable(v.string()),
      v.transform((value) => value || undefined),
      v.optional(v.pipe(v.string(), v.regex(new RegExp(`^[\\da-f]{${digits}}$`, 'i'), 'is not a checksum'))),
    ),
  )
/** A name, not a path: a catalog must not lead to other folders. */
const plainName = v.pipe(
  v.string(),
  v.check(
    (name) => wrongWithName(name) === undefined,
    ({ input }) => wrongWithName(input) ?? '',
  ),
)

const ENTRY = v.looseObject({
  filename: plainName,
  filesize: size,
  name: text,
  order: text,
  md5sum: hash(32),
  sha256sum: hash(64),
  url: text,
  ramrequired: number,
  parameters: text,
  quant: text,
  type: text,
  description: text,
  requires: text,
  removedIn: text,
  disableGUI: truth,
  embeddingModel: truth,
  chatTemplate: text,
  systemMessage: text,
  promptTemplate: text,
  systemPrompt: text,
})

const LONE = v.looseObject({ ...ENTRY.entries, filename: v.optional(plainName) })

// Written out, since an inferred type has no documentation of its fields, and needs valibot's types.
type CatalogFields = {
  /** Size of the file, bytes. */
  readonly filesize?: number | undefined
  /** Name to show, for example `Llama 3 8B Instruct`. */
  readonly name?: string | undefined
  /** Place in GPT4All's list: texts sort by it. */
  readonly order?: string | undefined
  /** MD5 of the file, hexadecimal. */
  readonly md5sum?: string | undefined
  /** SHA-256 of the file, hexadecimal; used rather than `md5sum` where both are given. */
  readonly sha256sum?: string | undefined
  /** Address of the file; without one it is in the catalog's folder. */
  readonly url?: string | undefined
  /** Memory that the model takes, GiB. */
  readonly ramrequired?: number | undefined
  /** Number of weights, for example `8 billion`. */
  readonly parameters?: string | undefined
  /** Quantization, for example `q4_0`. */
  readonly quant?: string | undefined
  /** Family, for example `LLaMA3`. */
  readonly type?: string | undefined
  /** HTML, as GPT4All shows it. */
  readonly description?: string | undefined
  /** The first version of GPT4All that can use the model. */
  readonly requires?: string | undefined
  /** The first version of GPT4All that no longer lists the model. */
  readonly removedIn?: string | undefined
  /** GPT4All's program does not show the model. */
  readonly disableGUI?: boolean | undefined
  /** The model makes embeddings, not text. */
  readonly embeddingModel?: boolean | undefined
  /** Jinja template for conversations. */
  readonly chatTemplate?: string | undefined
  /** System message for `chatTemplate`. */
  readonly systemMessage?: string | undefined
  /** Template for one message: `%1` is the message, `%2` the answer. */
  readonly promptTemplate?: string | undefined
  /** Raw text in front of a conversation with `promptTemplate`. */
  readonly systemPrompt?: string | undefined
  /** Fields that are not listed here, unchanged. */
  readonly [field: string]: unknown
}

/** What a GPT4All catalog says about a model. */
export interface CatalogEntry extends CatalogFields {
  /** Name of the file, within the folder of models. */
  readonly filename: string
}

/** A single entry in a file of its own may lack a name. */
export interface StoredCatalogEntry extends CatalogFields {
  readonly filename?: string | undefined
}

/** An entry, or why it is not one. */
export type EntryCheck =
  | { readonly entry: StoredCatalogEntry; readonly wrong?: undefined }
  | { readonly entry?: undefined; readonly wrong: string }

const FIRST_ISSUE = { abortEarly: true } as const

/** For an entry of a list. */
export const checkEntry = (given: unknown) => check(ENTRY, given)

/** For a single entry. */
export const checkLone = (given: unknown) => check(LONE, given)

function check(shape: typeof ENTRY | typeof LONE, given: unknown): EntryCheck {
  const result = v.safeParse(shape, given, FIRST_ISSUE)
  if (result.success) return { entry: result.output }
  const [issue] = result.issues
  const why = issue.kind === 'schema' ? `is not ${issue.expected ?? 'what it should be'}` : issue.message
  return { wrong: `${v.getDotPath(issue) ?? 'an entry'} ${why}` }
}
