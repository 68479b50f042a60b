import { optionError, worded } from '../core/errors.ts'
import type { NativeModel } from '../native/contract.ts'
import { controlTextsOf, NO_MARKS, type ProtectedPiece, Protection, textOf } from '../native/protect.ts'
import { encode, encodePrompt } from '../native/tokenizer.ts'
import { joined, specialsOf } from './chunks.ts'

/** Where a template for ranking has the query and the document. Source: llama.cpp. */
const PLACES = /(\{query\}|\{document\})/

/** Makes the prompts with which a model ranks a document for a query. */
export class PairPrompts {
  readonly #model: NativeModel
  readonly #longest: number
  readonly #template: string | undefined

  /** `longest` is the most tokens of a prompt. */
  constructor(model: NativeModel, longest: number) {
    this.#model = model
    this.#longest = longest
    this.#template = model.info.metadata['tokenizer.chat_template.rerank']
  }

  /**
   * The tokens of a prompt. Neither the query nor the document can write control tokens.
   * @throws {TypeError} `ERR_OPTION` for a query that leaves no room, or a document that does not fit
   */
  async tokens(
    query: string,
    document: string,
    index: number,
    cuts: boolean,
    signal: AbortSignal,
  ): Promise<Int32Array> {
    const whole = await this.#make(query, document, signal)
    if (whole.length <= this.#longest) return whole
    const around = await this.#make(query, '', signal)
    const room = this.#longest - around.length
    if (room <= 0)
      throw worded(
        optionError('query', 'a shorter text', query),
        `The query leaves no room for a document: the model takes ${this.#longest} tokens at once.`,
      )
    const own = await encode(this.#model, document, false, false, signal)
    if (!cuts)
      throw worded(
        optionError('documents', 'shorter texts', document),
        `The document at index ${index} has ${own.length} tokens, and ${room} fit beside the query.`,
      )
    return this.#template === undefined
      ? this.#framed(await encode(this.#model, query, false, false, signal), own.subarray(0, room))
      : this.#rendered(query, own.subarray(0, room), signal)
  }

  async #make(query: string, document: string, signal: AbortSignal): Promise<Int32Array> {
    const { prompt, marks } = await this.#render(query, document)
    if (prompt !== undefined) return encodePrompt(this.#model, prompt, marks, true, signal)
    const [first, second] = await Promise.all(
      [query, document].map((text) => encode(this.#model, text, false, false, signal)),
    )
    return this.#framed(first!, second!)
  }

  async #framed(query: Int32Array, document: Int32Array): Promise<Int32Array> {
    const { before, after } = await specialsOf(this.#model)
    return joined(before, query, this.#model.info.pairSeparator, document, after)
  }

  // The document's place is found by the tokens of what stands before and behind it.
  async #rendered(query: string, document: Int32Array, signal: AbortSignal): Promise<Int32Array> {
    const at = this.#template!.indexOf('{document}')
    const parts = [this.#template!.slice(0, at), this.#template!.slice(at + '{document}'.length)]
    const [before, behind] = await Promise.all(
      parts.map(async (part, i) => {
        const { prompt, marks } = await this.#protect(part, query, '')
        return encodePrompt(this.#model, prompt, marks, i === 0, signal)
      }),
    )
    return joined(before!, document, behind!)
  }

  async #render(query: string, document: string) {
    return this.#template === undefined
      ? { prompt: undefined, marks: NO_MARKS }
      : this.#protect(this.#template, query, document)
  }

  async #protect(template: string, query: string, document: string) {
    const users = new Map([
      ['{query}', query],
      ['{document}', document],
    ])
    const pieces = template.split(PLACES).map((piece): ProtectedPiece => {
      const text = users.get(piece)
      return text === undefined ? piece : { users: text }
    })
    const control = controlTextsOf(this.#model, this.#template!).finder([])
    const marks = control?.unusedMarks(textOf(pieces)) ?? NO_MARKS
    return { prompt: await new Protection(control, marks).join(pieces), marks }
  }
}
