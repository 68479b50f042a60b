import { damaged } from '../bytes.ts'
import { type Model, number, numbers, text } from '../model.ts'

/**
 * Architectures that rotate by several positions: asserted to have sections. Source: llama_model_rope_type.
 */
const SECTIONED: ReadonlySet<string> = new Set([
  'paddleocr',
  'qwen2vl',
  'qwen35',
  'qwen35moe',
  'qwen3vl',
  'qwen3vlmoe',
  'qwen4exp',
])

/**
 * Asserted when evaluated: values are rotated in pairs, and no more than a head has. With 0 it never ends.
 */
function checkRotation({ path }: Model, rotated: number, head: number): void {
  if (rotated < 2 || rotated % 2 !== 0 || rotated > head)
    throw damaged(path, `it rotates ${rotated} of the ${head} values of an attention head`)
}

const ROPE_SCALING_TYPES = ['none', 'linear', 'yarn', 'longrope']

export function checkRope(model: Model): void {
  const { architecture, path, metadata } = model
  const scaling = text(path, metadata, `${architecture}.rope.scaling.type`)
  // asserted (llama_rope_scaling_type_from_string)
  if (scaling !== undefined && !ROPE_SCALING_TYPES.includes(scaling))
    throw damaged(path, `"${architecture}.rope.scaling.type" is "${scaling}"`)
  const heads = number(model, `${architecture}.attention.head_count`) ?? 0
  if (heads === 0) return
  const width = number(model, `${architecture}.embedding_length`)!
  const head = number(model, `${architecture}.attention.key_length`) ?? Math.floor(width / heads)
  const headOfWindow = number(model, `${architecture}.attention.key_length_swa`) ?? head
  checkRotation(model, number(model, `${architecture}.rope.dimension_count`) ?? head, head)
  const inWindow = number(model, `${architecture}.rope.dimension_count_swa`)
  if (inWindow !== undefined) checkRotation(model, inWindow, headOfWindow)
  checkSections(model, head)
}

/** Architectures that do so if the first two sections have values. */
const SECTIONED_IF_GIVEN: ReadonlySet<string> = new Set(['glm4', 'glm4moe', 'hunyuan_vl'])

/**
 * Asserted: one of the first three has values, and all together no more than a head. Their sum is a divisor.
 */
function checkSections(model: Model, head: number): void {
  const { architecture, path } = model
  const key = `${architecture}.rope.dimension_sections`
  const given = numbers(model, key)
  if (given === undefined && SECTIONED.has(architecture)) throw damaged(path, `"${key}" is missing`)
  if (given === undefined) return
  const sections = given.length === 1 ? Array.from({ length: 4 }, () => given[0]!) : given.slice(0, 4)
  const [first = 0, second = 0, third = 0] = sections
  const sum = sections.reduce((total, size) => total + size, 0)
  const areUsed =
    SECTIONED.has(architecture) || (SECTIONED_IF_GIVEN.has(architecture) && first > 0 && second > 0)
  const fits = sum <= head && (first > 0 || second > 0 || third > 0)
  if (sections.some((size) => size < 0 || size > 2 ** 16) || sum === 0 || (areUsed && !fits))
    throw damaged(path, `"${key}" is [${given.join(', ')}], of heads with ${head} values`)
}
