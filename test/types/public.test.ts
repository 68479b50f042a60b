import { expectTypeOf, test } from 'vitest'
import {
  type DeviceFallback,
  Embed4All,
  type Embedding,
  type Embeddings,
  type FinishReason,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  GPT4All,
  type GPT4AllError,
  isGPT4AllError,
  type ModelConfig,
  type ModelOptions,
  type OptionError,
} from '../../src/index.ts'

// Checked by `npm run typecheck`: nothing here runs a model.

test('a generation is both a promise of text and an iterable of text', () => {
  expectTypeOf(GPT4All.prototype.generate).returns.toEqualTypeOf<Generation>()
  expectTypeOf<Awaited<Generation>>().toEqualTypeOf<string>()
  expectTypeOf(Generation.prototype[Symbol.asyncIterator]).returns.toExtend<AsyncIterator<string>>()
  expectTypeOf<Generation['result']>().toEqualTypeOf<Promise<GenerationResult>>()
  expectTypeOf<GenerationResult['finishReason']>().toEqualTypeOf<FinishReason>()
  expectTypeOf<GenerationResult['stopSequence']>().toEqualTypeOf<string | undefined>()
})

test('embed() takes a text, texts, or what may be either', () => {
  const { embed } = Embed4All.prototype
  expectTypeOf(embed).toBeCallableWith('a text')
  expectTypeOf((text: string) => embed(text)).returns.resolves.toEqualTypeOf<Embedding>()
  expectTypeOf((texts: string[]) => embed(texts)).returns.resolves.toEqualTypeOf<Embeddings>()
  expectTypeOf((either: string | string[]) => embed(either)).returns.resolves.toEqualTypeOf<Embeddings>()
})

test('loading returns the model, and values known only later may be undefined', () => {
  expectTypeOf(GPT4All.load).returns.resolves.toEqualTypeOf<GPT4All>()
  expectTypeOf<GPT4All['config']>().toEqualTypeOf<ModelConfig | undefined>()
  expectTypeOf<GPT4All['contextSize']>().toEqualTypeOf<number>()
  expectTypeOf<GPT4All['fallbacks']>().toEqualTypeOf<readonly DeviceFallback[]>()
  expectTypeOf<GPT4All>().toExtend<AsyncDisposable>()
})

test('options accept undefined as "the default", and refuse other types and misspelt names', () => {
  expectTypeOf<{ maxTokens: undefined; stop: string }>().toExtend<GenerateOptions>()
  expectTypeOf<{ stop: readonly string[] }>().toExtend<GenerateOptions>()
  expectTypeOf<{ maxTokens: string }>().not.toExtend<GenerateOptions>()
  expectTypeOf<{ device: readonly string[] }>().toExtend<ModelOptions>()
  expectTypeOf<{ device: number }>().not.toExtend<ModelOptions>()
  expectTypeOf<{ logger: Console }>().toExtend<ModelOptions>()
  // @ts-expect-error no such option
  const misspelt: GenerateOptions = { maxtokens: 3 }
  void misspelt
  expectTypeOf<(id: number, piece: string) => boolean>().toExtend<NonNullable<GenerateOptions['callback']>>()
})

test('the guard narrows to errors with a code', () => {
  expectTypeOf(isGPT4AllError).guards.toEqualTypeOf<GPT4AllError | OptionError>()
})
