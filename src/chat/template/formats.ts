import { abortOf } from '../../core/abort.ts'
import type { TemplateEntry } from '../../models/catalog/entry.ts'
import { AS_IT_IS, chooseFormat, type FormatSources, SAMPLE } from './format.ts'
import { checkTemplateLength, type PromptFormat, render, type TemplateOptions } from './template.ts'

/** Formats that are kept; a program uses one or two. */
const MOST_FORMATS = 16

type Sources = FormatSources & {
  /** Asks the catalog about the model, where its template is not known otherwise. */
  readonly lookUp: (() => Promise<TemplateEntry | undefined>) | undefined
}

/** How one model's messages become prompts. Each format is made once: llama.cpp analyses a template for some 10 ms. */
export class PromptFormats {
  readonly #sources: Sources
  readonly #made = new Map<string, Promise<PromptFormat>>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  async get(options: TemplateOptions): Promise<PromptFormat> {
    // Before a copy of it becomes a key.
    for (const template of [options.promptTemplate, options.chatTemplate]) checkTemplateLength(template)
    const key = JSON.stringify([options.promptTemplate, options.chatTemplate])
    let format = this.#made.get(key)
    if (!format) {
      format = this.#make(options)
      if (this.#made.size >= MOST_FORMATS) this.#made.clear()
      this.#made.set(key, format)
      format.catch(() => this.#made.delete(key)) // the reason may pass
    }
    return format
  }

  /** Makes the format that chats use by default, and a prompt with it, if it is the model's own and nothing has to be found out for it. */
  async warmUp(signal: AbortSignal): Promise<void> {
    const { entry, model } = this.#sources
    const own = entry ? undefined : model.chatTemplate()
    try {
      if (own === undefined) return
      // The first prompt takes ten times as long as the next: llama.cpp's engine and JavaScript's calls are cold.
      const format = await Promise.race([this.get({}), abortOf(signal)])
      await render(format, SAMPLE, AS_IT_IS, signal)
    } catch {} // whoever asks for a prompt is told
  }

  async #make(options: TemplateOptions): Promise<PromptFormat> {
    const { lookUp, entry, model } = this.#sources
    const known = options.promptTemplate ?? options.chatTemplate ?? entry ?? model.chatTemplate()
    const found = known === undefined && lookUp ? await lookUp() : entry
    return chooseFormat(options, { ...this.#sources, entry: found })
  }
}
