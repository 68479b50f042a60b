import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What GPT4All publishes of a model, as far as tests want to know it. */
type PublishedModel = {
  readonly filename: string
  readonly promptTemplate?: string
  readonly chatTemplate?: string
  readonly systemPrompt?: string
  readonly systemMessage?: string
}

/** GPT4All's catalogs: that of today, and the one from before GGUF. */
export const PUBLISHED: {
  readonly models3: readonly PublishedModel[]
  readonly models: readonly PublishedModel[]
} = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'gpt4all-catalogs.json'), 'utf8'))
