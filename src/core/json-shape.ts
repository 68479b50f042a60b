/** Limits for JSON text, so that parsing blocks the event loop for milliseconds only, whatever its length. */
export type JsonLimits = {
  /** Nested arrays and objects. */
  readonly depth: number
  /** Names, strings, objects and arrays: each costs V8 up to 3 µs. */
  readonly parts: number
  /** Numbers, `true`, `false` and `null`. */
  readonly numbers: number
}

const [QUOTE, COMMA, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('",\\[]{}')

/** Counts what a JSON text is made of, as its bytes arrive. */
export class JsonShape {
  readonly #limits: JsonLimits
  readonly #refuse: (what: string) => Error
  #depth = 0
  #parts = 0
  #commas = 0
  #isInText = false
  #isEscaped = false

  /** `refuse` makes the error for a text that has, for example, `more than 5 numbers`. */
  constructor(limits: JsonLimits, refuse: (what: string) => Error) {
    this.#limits = limits
    this.#refuse = refuse
  }

  /** @throws what `refuse` makes, if there is more than the limits allow */
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
    const { depth: mostDepth, parts: mostParts, numbers } = this.#limits
    if (most > mostDepth) throw this.#refuse(`more than ${mostDepth} nested arrays and objects`)
    if (this.#parts > mostParts)
      throw this.#refuse(`more than ${mostParts} names, strings, arrays and objects`)
    if (this.#commas > numbers + mostParts) throw this.#refuse(`more than ${numbers} numbers`)
  }
}

/**
 * The value of an untrusted JSON text: `JSON.parse()`, if it is within `limits`.
 * @throws {SyntaxError} if it is not JSON; what `refuse` makes, if it exceeds `limits`
 */
export function parseWithin(text: Buffer, limits: JsonLimits, refuse: (what: string) => Error): unknown {
  new JsonShape(limits, refuse).add(text)
  return JSON.parse(text.toString('utf8').replace(/^\uFEFF/, ''))
}
