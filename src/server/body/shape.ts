import { JsonShape } from '../../core/json-shape.ts'
import { ApiError } from '../errors.ts'

const MOST_DEPTH = 100
const MOST_PARTS = 20_000
const PARTS_PER_MESSAGE = 20
const MOST_NUMBERS = 200_000

/** Counts what a body is made of; too much of it is an `ApiError` 400. */
export function bodyShape(maxMessages: number): JsonShape {
  const parts = Math.max(MOST_PARTS, PARTS_PER_MESSAGE * maxMessages)
  return new JsonShape(
    { depth: MOST_DEPTH, parts, numbers: MOST_NUMBERS },
    (what) => new ApiError(400, `The body has ${what}.`, { code: 'too_complex' }),
  )
}
