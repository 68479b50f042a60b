import { abortOf } from '../../core/async.ts'
import { messageOf, TemplateError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { ChatMessage } from '../../core/messages.ts'
import type { TemplateEntry } from '../../models/catalog/entry.ts'
import type { NativeBinding, NativeChatTemplate, NativeModel } from '../../native/contract.ts'
import { translateFailure } from '../../native/failures.ts'
import {
  AS_IT_IS,
  checkTemplateLength,
  DEFAULT_PROMPT_TEMPLATE,
  jinjaFormat,
  openTemplate,
  type PromptFormat,
  parsePattern,
  render,
  type TemplateOptions,
} from './template.ts'

/** What a format is chosen from. */
type FormatSources = {
  readonly binding: NativeBinding
  readonly model: NativeModel
  /** The catalog's entry for this very file. */
  readonly entry: TemplateEntry | undefined
  readonly logger: Logger
}

/**
 * How messages become prompts: the caller's own template, else the catalog entry's, else the GGUF's, else the
 * default.
 * @throws {TemplateError} `ERR_TEMPLATE` when the chosen one cannot be used
 */
async function chooseFormat(options: TemplateOptions, sources: FormatSources): Promise<PromptFormat> {
  const { promptTemplate, chatTemplate } = options
  if (chatTemplate !== undefined) return jinja(chatTemplate, sources)
  if (promptTemplate !== undefined) return pattern(promptTemplate)
  const { entry, model } = sources
  const own = model.chatTemplate()
  const fromEntry = entry && (await formatOf(entry, sources, own !== undefined))
  if (fromEntry) return fromEntry
  if (own !== undefined) return jinja(own, sources)
  return pattern(DEFAULT_PROMPT_TEMPLATE)
}

/** A filter of GPT4All's own template engine that Jinja2 does not have. */
const FOREIGN = 'regex_replace'

// Some of GPT4All's templates use that filter, and one (WizardLM's) never uses the messages: another format
// replaces such a template. In a catalog that the user named, any other fault is an error.
async function formatOf(
  entry: TemplateEntry,
  sources: FormatSources,
  hasOwn: boolean,
): Promise<PromptFormat | undefined> {
  const { chatTemplate, systemMessage, promptTemplate, systemPrompt, isNamed } = entry
  if (chatTemplate !== undefined) {
    try {
      const format = await jinja(chatTemplate, sources)
      const { text } = await render(format, SAMPLE, AS_IT_IS)
      if (!SAMPLE.every(({ content }) => text.includes(content)))
        throw new TemplateError('It leaves out the messages.')
      return { ...format, systemPrompt: systemMessage }
    } catch (error) {
      const givesWay = error instanceof TemplateError && (!isNamed || chatTemplate.includes(FOREIGN))
      if (!givesWay) throw error
      const next = hasOwn ? "the GGUF's own" : promptTemplate ? "the entry's promptTemplate" : 'the default'
      sources.logger.warn(`using ${next} instead of the catalog's chat template: ${error.message}`)
      if (hasOwn) return undefined
    }
  }
  if (promptTemplate === undefined) return undefined
  try {
    return { ...pattern(promptTemplate), systemPrompt }
  } catch (error) {
    if (isNamed) throw error
    sources.logger.warn(`the catalog's prompt template is not used: ${messageOf(error)}`)
    return undefined
  }
}

const SAMPLE: readonly ChatMessage[] = [
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: 'Good day' },
  { role: 'user', content: 'Bye' },
]

function pattern(template: string): PromptFormat {
  checkTemplateLength(template)
  return { kind: 'pattern', source: template, ...parsePattern(template) }
}

async function jinja(source: string, { binding, model }: FormatSources): Promise<PromptFormat> {
  checkTemplateLength(source)
  let template: NativeChatTemplate
  try {
    template = new binding.ChatTemplate(model, source)
  } catch (error) {
    throw translateFailure(error, 'The model')
  }
  await openTemplate(template, source)
  return jinjaFormat(template, source)
}

/** The most formats that are kept; a program uses one or two. */
const MOST_FORMATS = 16

type Sources = FormatSources & {
  /** Looks the model up in the catalog, where its template is not known otherwise. */
  readonly lookUp: (() => Promise<TemplateEntry | undefined>) | undefined
}

/**
 * The formats of one model's chats. Each is made only once: llama.cpp takes some 10 ms to analyse a template.
 */
export class PromptFormats {
  readonly #sources: Sources
  readonly #made = new Map<string, Promise<PromptFormat>>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  async get(options: TemplateOptions): Promise<PromptFormat> {
    // Check before a copy of the template becomes a key.
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

  /**
   * Makes the chats' default format and a prompt with it, if the template is the model's own, which takes no
   * lookup.
   */
  async warmUp(signal: AbortSignal): Promise<void> {
    const { entry, model } = this.#sources
    const own = entry ? undefined : model.chatTemplate()
    try {
      if (own === undefined) return
      // The first prompt takes ten times as long as the next: llama.cpp's template engine and JavaScript's
      // calls are cold.
      const format = await Promise.race([this.get({}), abortOf(signal)])
      await render(format, SAMPLE, AS_IT_IS, signal)
    } catch {} // the first prompt reports it
  }

  async #make(options: TemplateOptions): Promise<PromptFormat> {
    const { lookUp, entry, model } = this.#sources
    const known = options.promptTemplate ?? options.chatTemplate ?? entry ?? model.chatTemplate()
    const found = known === undefined && lookUp ? await lookUp() : entry
    return chooseFormat(options, { ...this.#sources, entry: found })
  }
}
