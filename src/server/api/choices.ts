import { badParameter } from '../errors.ts'

/** The number of choices of a request with `n` per prompt. @throws {ApiError} 400 for more than `most` */
export function choicesOf(n: number | null | undefined, prompts: number, most: number): number {
  const count = (n ?? 1) * prompts
  if (count <= most) return count
  throw badParameter(
    'n',
    `"n" asks for ${count} choices; this server allows at most ${most}.`,
    'integer_above_max_value',
  )
}
