import { badParameter } from '../errors.ts'

/** How many choices a request with `n` for each of its prompts asks for. @throws {ApiError} 400 for more than `most` */
export function choicesOf(n: number | null | undefined, prompts: number, most: number): number {
  const count = (n ?? 1) * prompts
  if (count <= most) return count
  throw badParameter(
    'n',
    `"n" asks for ${count} choices; this server gives ${most} at most.`,
    'integer_above_max_value',
  )
}
