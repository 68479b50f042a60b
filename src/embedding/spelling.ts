import type { NativeModel } from '../native/contract.ts'
import { encode, encodeNow } from '../native/tokenizer.ts'

/** A text whose tokens are needed; `addSpecial`: with those that the vocabulary puts around it. */
type Wanted = { readonly text: string; readonly addSpecial: boolean }

/** A computation that asks for the tokens of texts: once, for the ways with and without waiting. */
export type Spelled<Result> = Generator<Wanted, Result, Int32Array>

/** The tokens of `text`. */
export function* tokensOf(text: string, addSpecial = false): Spelled<Int32Array> {
  return yield { text, addSpecial }
}

/** The result, without holding the event loop up. */
export async function spelled<Result>(
  model: NativeModel,
  work: Spelled<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  let step = work.next()
  while (!step.done) {
    const { text, addSpecial } = step.value
    step = work.next(await encode(model, text, addSpecial, false, signal))
  }
  return step.value
}

/** The result, at once. */
export function spelledNow<Result>(model: NativeModel, work: Spelled<Result>): Result {
  let step = work.next()
  while (!step.done) step = work.next(encodeNow(model, step.value.text, step.value.addSpecial, false))
  return step.value
}
