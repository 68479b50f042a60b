import { optionError, worded } from '../core/errors.ts'
import type { NativeModel } from '../native/contract.ts'
import { controlTextsOf, NO_MARKS, type ProtectedPiece, Protection, textOf } from '../native/protect.ts'
import { encode, encodePrompt } from '../native/tokenizer.ts'
import { joined, specialsOf } from './chunks.ts'
import { spelled } from './spelling.ts'

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
    const { before, behind } = await this.#around(query, signal)
    const room = this.#longest - before.length - behind.length
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
    return joined(before, own.subarray(0, room), behind)
  }

  /** The tokens in front of a document, and those behind it. */
  async #around(query: string, signal: AbortSignal): Promise<{ before: Int32Array; behind: Int32Array }> {
    if (this.#template === undefined) {
      const { before, after } = await spelled(this.#model, specialsOf())
      const asked = await encode(this.#model, query, false, false, signal)
      return { before: joined(before, asked, this.#model.info.pairSeparator), behind: after }
    }
    const at = this.#template.indexOf('{document}')
    const parts = [this.#template.slice(0, at), this.#template.slice(at + '{document}'.length)]
    const [before, behind] = await Promise.all(
      parts.map(async (part, i) => {
        const { prompt, marks } = await this.#protect(part, query, '')
        return encodePrompt(this.#model, prompt, marks, i === 0, signal)
      }),
    )
    return { before: before!, behind: behind! }
  }

  async #make(query: string, document: string, signal: AbortSignal): Promise<Int32Array> {
    const { prompt, marks } = await this.#render(query, document)
    if (prompt !== undefined) return encodePrompt(this.#model, prompt, marks, true, signal)
    const { before, behind } = await this.#around(query, signal)
    return joined(before, await encode(this.#model, document, false, false, signal), behind)
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
