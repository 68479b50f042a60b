import { ApiError } from './errors.ts'

/**
 * What a body may have, so that parsing and checking it stops the event loop for a few milliseconds only, however many bytes it has:
 * an object, an array, or a name that is new costs V8 up to 3 µs.
 */
const MOST_DEPTH = 100
const MOST_PARTS = 20_000
const PARTS_PER_MESSAGE = 20
const MOST_NUMBERS = 200_000

const [QUOTE, COMMA, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('",\\[]{}')

const tooComplex = (what: string) => new ApiError(400, `The body has ${what}.`, { code: 'too_complex' })

/** Counts what a JSON text is made of, as its bytes come. */
export class JsonShape {
  readonly #mostParts: number
  #depth = 0
  /** Names, texts, objects and arrays. */
  #parts = 0
  #commas = 0
  #isInText = false
  #isEscaped = false

  constructor(maxMessages: number) {
    this.#mostParts = Math.max(MOST_PARTS, PARTS_PER_MESSAGE * maxMessages)
  }

  /** @throws {ApiError} 400 where there is more than a body may have */
  add(bytes: Uint8Array): void {
    // Plain variables: this runs for every byte.
    let [depth, parts, commas, isInText, isEscaped] = [0, 0, 0, this.#isInText, this.#isEscaped]
    let deepest = 0
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]
      if (isInText) {
        if (isEscaped) isEscaped = false
        else if (byte === BACKSLASH) isEscaped = true
        else if (byte === QUOTE) isInText = false
      } else if (byte === QUOTE) {
        isInText = true
        parts++
      } else if (byte === COMMA) commas++
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        parts++
        if (++depth > deepest) deepest = depth
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--
    }
    const most = this.#depth + deepest
    this.#depth += depth
    this.#parts += parts
    this.#commas += commas
    this.#isInText = isInText
    this.#isEscaped = isEscaped
    if (most > MOST_DEPTH) throw tooComplex(`more than ${MOST_DEPTH} arrays and objects inside each other`)
    if (this.#parts > this.#mostParts)
      throw tooComplex(`more than ${this.#mostParts} names, texts, arrays and objects`)
    if (this.#commas > MOST_NUMBERS + this.#mostParts) throw tooComplex(`more than ${MOST_NUMBERS} numbers`)
  }
}
