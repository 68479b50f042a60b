import { basename, dirname, join, resolve } from 'node:path'
import { defaultModelPath } from '../../index.ts'
import type { LLModelPromptContext, ModelConfig } from './types.ts'

/** Folder of the models: `~/.cache/gpt4all`. */
export const DEFAULT_DIRECTORY: string = homeFolder()

function homeFolder(): string {
  try {
    return defaultModelPath()
  } catch {
    return resolve('.cache', 'gpt4all') // without a home folder, programs give a folder of their own
  }
}

const here = import.meta.dirname
const packageFolder = basename(here) === 'dist' ? dirname(here) : resolve(here, '..', '..', '..')

/** Where the gpt4all package looks for its libraries. It has no effect: this package is one file. */
export const DEFAULT_LIBRARIES_DIRECTORY: string = [
  join(DEFAULT_DIRECTORY, 'libraries'),
  resolve('libraries'),
  join(packageFolder, 'runtimes', `${process.platform}-${process.arch}`, 'native'),
  join(packageFolder, 'runtimes', process.platform, 'native'),
  process.cwd(),
].join(';')

/** What a model has that no list knows; its file may know better. */
export const DEFAULT_MODEL_CONFIG: Pick<ModelConfig, 'systemPrompt' | 'promptTemplate'> & ModelConfig = {
  systemPrompt: '',
  promptTemplate: '### Human:\n%1\n\n### Assistant:\n',
} as ModelConfig

/** GPT4All's list of models. */
export const DEFAULT_MODEL_LIST_URL = 'https://gpt4all.io/models/models3.json'

/** Defaults of generations. */
export const DEFAULT_PROMPT_CONTEXT: LLModelPromptContext = {
  temp: 0.1,
  topK: 40,
  topP: 0.9,
  minP: 0,
  repeatPenalty: 1.18,
  repeatLastN: 10,
  nBatch: 100,
} as LLModelPromptContext
