import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GPT4All, type ModelOptions } from '../../src/index.ts'
import { type GgufHeader, readGguf } from '../../src/models/gguf/header.ts'
import { RANK, writeAdapter } from '../support/adapter.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 16 }
const PROMPT = 'The capital of France is'

let folder: string
let header: GgufHeader
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpt4all-lora-'))
  header = await readGguf(EMBEDDED)
})
afterAll(() => rm(folder, { recursive: true }))

async function write(content: GgufWriter | Buffer, name = 'adapter.gguf'): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, Buffer.isBuffer(content) ? content : content.bytes())
  return path
}

async function answer(options: ModelOptions, prompts = [PROMPT]): Promise<string[]> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
  const texts = prompts.map(async (prompt) => model.generate(prompt, GREEDY))
  return Promise.all(texts).finally(() => model.close())
}

const failure = (lora: ModelOptions['lora'], options: ModelOptions = {}) =>
  GPT4All.load(EMBEDDED, { nThreads: 1, ...options, lora }).then(
    () => undefined,
    (error: unknown) => error,
  )

describe('a LoRA adapter', () => {
  test('changes what the model says, unless its scale is 0', async () => {
    const path = await write(await writeAdapter())
    const plain = await answer({})
    expect(await answer({ lora: [] })).toEqual(plain)
    expect(await answer({ lora: [{ path, scale: 0 }] })).toEqual(plain)
    const changed = await answer({ lora: [{ path }] })
    expect(changed).not.toEqual(plain)
    expect(await answer({ lora: [{ path, scale: 1 }] })).toEqual(changed)
  })

  test('together with its opposite leaves the model unchanged', async () => {
    const path = await write(await writeAdapter())
    const both = [
      { path, scale: 0.5 },
      { path, scale: -0.5 },
    ]
    expect(await answer({ lora: both })).toEqual(await answer({}))
  })

  test('applies to every stream, also after the context grew, and with a draft model', async () => {
    const path = await write(await writeAdapter())
    const prompts = [PROMPT, PROMPT, PROMPT, PROMPT]
    const [alone] = await answer({ lora: [{ path }] })
    expect(await answer({ lora: [{ path }] }, prompts)).toEqual(prompts.map(() => alone))
    expect(await answer({ lora: [{ path }], draftModel: EMBEDDED })).toEqual([alone])
  })

  test.each(['F16', 'Q8_0'] as const)('may have tensors of type %s', async (type) => {
    const { name, shape } = header.tensors.find((tensor) => tensor.name === 'blk.0.attn_q.weight')!
    const wide = (await writeAdapter())
      .tensor(`${name}.lora_a`, [shape[0]!, 32], type)
      .tensor(`${name}.lora_b`, [32, shape[1]!], type)
      .tensor('output_norm.weight', [shape[0]!])
    expect(await answer({ lora: [{ path: await write(wide) }] })).toHaveLength(1)
  })

  test('is found in modelPath, with or without its extension', async () => {
    const path = await write(await writeAdapter())
    const options = { modelPath: folder, allowDownload: false, nThreads: 1 }
    await copyFile(EMBEDDED, join(folder, 'model.gguf'))
    const changed = await answer({ lora: [{ path }] })
    for (const name of [basename(path), 'adapter']) {
      const model = await GPT4All.load('model', { ...options, lora: [{ path: name }] })
      expect([await model.generate(PROMPT, GREEDY)]).toEqual(changed)
      await model.close()
    }
  })
})

describe('a file that is not an adapter for this model is refused before llama.cpp sees it:', () => {
  const damages: [string, string, (made: GgufWriter) => GgufWriter][] = [
    ['a model', 'UNSUPPORTED', (made) => made.remove('general.type')],
    ['another kind of adapter', 'UNSUPPORTED', (made) => made.set('adapter.type', 'string', 'ia3')],
    ['another architecture', 'UNSUPPORTED', (made) => made.set('general.architecture', 'string', 'gpt2')],
    ['no architecture', 'UNSUPPORTED', (made) => made.remove('general.architecture')],
    ['a type that is not a string', 'DAMAGED', (made) => made.set('adapter.type', 'u32', 1)],
    ['an alpha of another type', 'DAMAGED', (made) => made.set('adapter.lora.alpha', 'u32', 16)],
    ['an aLoRA', 'UNSUPPORTED', (made) => made.setArray('adapter.alora.invocation_tokens', 'u32', [1])],
    ['half a pair', 'DAMAGED', (made) => made.removeTensor('blk.0.attn_q.weight.lora_b')],
    ['a tensor of its own', 'DAMAGED', (made) => made.tensor('blk.0.attn_q.weight', [4, 4])],
    ['an unknown tensor', 'UNSUPPORTED', (made) => made.tensor('blk.99.attn_q.weight.lora_a', [4, 4])],
    ['the token table', 'UNSUPPORTED', (made) => made.tensor('token_embd.weight.lora_a', [4, 4])],
    ['too many inputs', 'UNSUPPORTED', (made) => made.tensor('blk.0.attn_q.weight.lora_a', [4, RANK])],
    ['too few outputs', 'UNSUPPORTED', (made) => made.tensor('blk.0.attn_q.weight.lora_b', [RANK, 4])],
    ['two ranks', 'DAMAGED', (made) => made.tensor('blk.0.attn_q.weight.lora_b', [8, 4])],
    ['a third dimension', 'DAMAGED', (made) => made.tensor('blk.0.attn_q.weight.lora_b', [RANK, 4, 2])],
    ['integers', 'UNSUPPORTED', (made) => made.tensor('blk.0.attn_q.weight.lora_a', [4, RANK], 'I32')],
  ]
  test.each(damages)('%s', async (name, code, damage) => {
    const path = await write(damage(await writeAdapter()), `${name}.gguf`)
    const error = await failure([{ path }])
    expect(error).toMatchObject({ name: 'ModelError', code: `ERR_MODEL_${code}`, path })
    expect((error as Error).message).toContain(path)
  })

  test('an adapter without tensors, a truncated one, a model, something else', async () => {
    const whole = (await writeAdapter()).bytes()
    const empty = new GgufWriter()
      .set('general.type', 'string', 'adapter')
      .set('general.architecture', 'string', header.architecture)
      .set('adapter.type', 'string', 'lora')
    const codes = async (path: string) => (await failure([{ path }])) as { code: string }
    expect(await codes(await write(empty, 'empty.gguf'))).toMatchObject({ code: 'ERR_MODEL_DAMAGED' })
    for (const length of [100, whole.length - 64])
      expect(await codes(await write(whole.subarray(0, length), 'cut.gguf'))).toMatchObject({
        code: 'ERR_MODEL_DAMAGED',
      })
    expect(await codes(EMBEDDED)).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
    expect(await codes(await write(Buffer.from('no adapter'), 'text.gguf'))).toMatchObject({
      code: 'ERR_NOT_GGUF',
    })
    expect(await codes(folder)).toMatchObject({ code: 'ERR_MODEL_UNREADABLE' })
  })
})

describe('the option lora', () => {
  test('rejects a missing file with ERR_MODEL_NOT_FOUND and its path', async () => {
    const path = join(folder, 'nowhere.gguf')
    expect(await failure([{ path }])).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', path })
  })

  test.each<[unknown, string]>([
    ['adapter.gguf', 'lora'],
    [{ path: 'adapter.gguf' }, 'lora'],
    [['adapter.gguf'], 'lora[0]'],
    [[{}], 'lora[0].path'],
    [[{ path: '' }], 'lora[0].path'],
    [[{ path: 'a' }, { path: 'b', scale: NaN }], 'lora[1].scale'],
    [[{ path: 'a', scale: '1' }], 'lora[0].scale'],
    [[{ path: 'a', alpha: 1 }], 'alpha'],
    [[{ path: 'https://example.org/a.gguf' }], 'lora[0].path'],
  ])('refuses %o at once', (lora, option) => {
    const make = () => new GPT4All('any', { lora: lora as ModelOptions['lora'] })
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_OPTION', option }))
  })
})
