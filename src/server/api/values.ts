import * as v from 'valibot'

/** In a request, `null` is as good as nothing. */
export const number = (min: number, max: number) =>
  v.nullish(
    v.pipe(
      v.number(`must be a number from ${min} to ${max}`),
      v.finite(`must be a number from ${min} to ${max}`),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
    ),
  )
/** Without a `max` a number that is too large to be exact stands for the largest that is. */
export const integer = (min: number, max = Number.POSITIVE_INFINITY) =>
  v.nullish(
    v.pipe(
      v.number('must be an integer'),
      v.integer('must be an integer'),
      v.minValue(min, `must be at least ${min}`),
      v.maxValue(max, `must be at most ${max}`),
      v.transform((value) => Math.min(value, Number.MAX_SAFE_INTEGER)),
    ),
  )
export const flag = v.nullish(v.boolean('must be true or false'))
export const text = v.string('must be a string')

/** Reading a text costs the same with any stop strings, but each of their characters takes memory, and time once. */
const MOST_STOP_LENGTH = 4096
const MOST_STOPPING = 65_536
const STOPS = 'must be a string, or an array of strings'
const stopString = v.pipe(
  text,
  v.maxLength(MOST_STOP_LENGTH, `must have strings of at most ${MOST_STOP_LENGTH} characters`),
)
export const stop = v.nullish(
  v.pipe(
    v.union([stopString, v.array(v.nullable(stopString))], STOPS),
    v.transform((stops) => [stops].flat().filter((one): one is string => one !== null && one !== '')),
    v.check(
      (stops) => stops.reduce((sum, { length }) => sum + length, 0) <= MOST_STOPPING,
      `must have strings of at most ${MOST_STOPPING} characters together`,
    ),
  ),
)
/** A number of tokens; a negative one stands for no limit, as do more than any context has. */
export const mostTokens = v.nullish(
  v.pipe(
    v.number('must be an integer'),
    v.integer('must be an integer'),
    v.transform((value) => (value < 0 || !Number.isSafeInteger(value) ? Number.POSITIVE_INFINITY : value)),
  ),
)
/** `meaning` is what -1 stands for, beside the values that `schema` takes. */
export const orMinusOne = <S extends ReturnType<typeof number> | ReturnType<typeof integer>>(
  schema: S,
  meaning: number,
) =>
  v.nullish(
    v.pipe(
      v.unknown(),
      v.transform((value) => (value === -1 ? meaning : value)),
      schema,
    ),
  )

/** Far more than the 64 bits of other servers, and fewer than a number that is no seed has. */
const SEEDS = 2 ** 96
/** An integer; -1 stands for none. */
export const seed = v.nullish(
  v.pipe(
    v.number('must be an integer'),
    v.integer('must be an integer'),
    v.check((value) => Math.abs(value) < SEEDS, 'must be an integer of at most 96 bits'),
    v.transform((value) => (value === -1 ? undefined : value)),
  ),
)

const MOST_BIASES = 1024
const BAN = -100
const BIASES = 'must have numbers from -100 to 100'
const BIAS = 'must be an object of token ids and numbers from -100 to 100'
export const logitBias = v.nullish(
  v.pipe(
    v.unknown(),
    v.transform(biasesByToken),
    v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), BIAS),
    v.check(
      (bias) => Object.keys(bias).length <= MOST_BIASES,
      `must have no more than ${MOST_BIASES} tokens`,
    ),
    v.record(
      v.pipe(v.string(), v.regex(/^\d{1,10}$/, 'must have token ids as keys')),
      v.pipe(v.number(BIASES), v.minValue(-100, BIASES), v.maxValue(100, BIASES)),
      BIAS,
    ),
  ),
)

/**
 * Languages without objects of their own send an empty one as `[]`, clients of llama.cpp pairs, in which `false`
 * bans a token, and some clients numbers as texts.
 */
function biasesByToken(sent: unknown): unknown {
  if (typeof sent !== 'object' || sent === null) return sent
  const arePairs = (list: unknown[]) =>
    list.every((pair) => Array.isArray(pair) && pair.length === 2 && Number.isInteger(pair[0]))
  if (Array.isArray(sent) && !arePairs(sent)) return sent
  const entries = Array.isArray(sent) ? (sent as [number, unknown][]) : Object.entries(sent)
  return Object.fromEntries(entries.map(([token, bias]) => [token, numberOf(bias)]))
}

function numberOf(bias: unknown): unknown {
  if (bias === false) return BAN
  return typeof bias === 'string' && bias.trim() !== '' ? Number(bias) : bias
}
