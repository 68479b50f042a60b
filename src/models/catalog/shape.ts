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
      v.optional(v.pipe(v.string(), v.regex(new RegExp(`^[\\da-f]{${digits}}$`, 'i'), 'is no checksum'))),
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

/**
 * What a GPT4All catalog says about a model. Fields that are not listed here are kept unchanged.
 * @interface
 */
export type CatalogEntry = v.InferOutput<typeof ENTRY>
const LONE = v.looseObject({ ...ENTRY.entries, filename: v.optional(plainName) })
/** A single entry in a file of its own may lack a name. */
export type LoneEntry = v.InferOutput<typeof LONE>

/** An entry, or why it is not one. */
export type EntryCheck =
  | { readonly entry: LoneEntry; readonly wrong?: undefined }
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
