/** What the norm is at least, so that zeros are not divided by. Source: GPT4All. */
const LEAST_NORM = 1e-12
const EPSILON = 1e-5

/** How the vectors of chunks become the vector of a text. */
export type Finish = {
  /** Numbers of the result. */
  readonly dimensionality: number
  /** Layers are normalized before they are cut, as Matryoshka models of Nomic's need it. */
  readonly normalizesLayer: boolean
}

/** The mean of the chunks' vectors, each of length 1, cut to `dimensionality` and of length 1 again. */
export function meanOf(
  vectors: readonly Float32Array[],
  { dimensionality, normalizesLayer }: Finish,
): Float32Array {
  const sum = new Float64Array(dimensionality)
  for (const vector of vectors) add(vector, sum, normalizesLayer)
  const result = new Float32Array(dimensionality)
  const scale = 1 / Math.max(normOf(sum), vectors.length * LEAST_NORM)
  for (let i = 0; i < dimensionality; i++) result[i] = sum[i]! * scale
  return result
}

function add(vector: Float32Array, sum: Float64Array, normalizesLayer: boolean): void {
  let mean = 0
  let scale = 1
  if (normalizesLayer) {
    for (const number of vector) mean += number
    mean /= vector.length
    let squares = 0
    for (const number of vector) squares += (number - mean) ** 2
    scale = 1 / Math.sqrt(squares / (vector.length - 1) + EPSILON)
  }
  // Of a Matryoshka model only the numbers that are kept count, of others all.
  const counted = normalizesLayer ? sum.length : vector.length
  let squares = 0
  for (let i = 0; i < counted; i++) squares += ((vector[i]! - mean) * scale) ** 2
  scale /= Math.max(Math.sqrt(squares), LEAST_NORM)
  for (let i = 0; i < sum.length; i++) sum[i]! += (vector[i]! - mean) * scale
}

function normOf(vector: Float64Array): number {
  let squares = 0
  for (const number of vector) squares += number ** 2
  return Math.sqrt(squares)
}
