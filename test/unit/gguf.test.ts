import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isGPT4AllError, type ModelError } from '../../src/core/errors.ts'
import { lookAt } from '../../src/core/regular-file.ts'
import { assertGeneratesText, purposeOf, readGguf } from '../../src/models/gguf/header.ts'
import { describeKind } from '../../src/models/gguf/kind.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { TINY_MODELS, TINY_VOCABULARY, tinyModel } from '../support/tiny-models.ts'

let folder: string
let files = 0
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gguf-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function save(content: Buffer | string, name = `${files++}.gguf`): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function failure(path: string): Promise<ModelError> {
  const error: unknown = await readGguf(path).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isGPT4AllError(error)) throw new Error(`no typed error but ${String(error)}`)
  return error as ModelError
}

/** The file is refused with `code`, and the message names what `mentions` matches. */
async function expectRefused(content: Buffer | string, code: string, mentions: RegExp): Promise<void> {
  const path = save(content)
  const error = await failure(path)
  expect(error.code).toBe(code)
  expect(error.path).toBe(path)
  expect(error.message).toContain(path)
  expect(error.message.replace(path, '')).toMatch(mentions)
}

const expectDamaged = (file: GgufWriter, mentions: RegExp) =>
  expectRefused(file.bytes(), 'ERR_MODEL_DAMAGED', mentions)

const llama = () => TINY_MODELS.llama()
const moe = () => TINY_MODELS['llama-moe']()
const float = (value: number) => (key: string) => llama().set(key, 'f32', value)
const count = (value: number) => (key: string) => llama().set(key, 'u32', value)

describe('readGguf() of a file that has passed its checks before', () => {
  const damaged = () => save(count(0)('llama.attention.head_count').bytes())

  test('does not make them again', async () => {
    const path = damaged()
    const { identity } = await lookAt(path, (why) => new Error(why))
    expect((await readGguf(path, { passed: Promise.resolve(identity) })).tokenCount).toBe(TINY_VOCABULARY)
  })

  test('makes them again once something has written to the file', async () => {
    const path = damaged()
    const { identity } = await lookAt(path, (why) => new Error(why))
    appendFileSync(path, 'x')
    const reading = readGguf(path, { passed: Promise.resolve(identity) })
    await expect(reading).rejects.toMatchObject({ code: 'ERR_MODEL_DAMAGED' })
  })
})

describe('readGguf() of a whole file', () => {
  test('returns architecture, vocabulary, metadata and tensors', async () => {
    const bytes = tinyModel('llama')
    const header = await readGguf(save(bytes))
    expect(header).toMatchObject({ version: 3, architecture: 'llama', tokenCount: TINY_VOCABULARY })
    expect(header.fileBytes).toBe(bytes.length)
    expect(header.files).toMatchObject([{ path: header.path, bytes: bytes.length }])
    expect(header.metadata.get('llama.block_count')).toEqual({ type: 'u32', value: 2 })
    expect(header.metadata.get('tokenizer.ggml.tokens')).toMatchObject({
      of: 'string',
      count: TINY_VOCABULARY,
    })
    const embedding = header.tensors[0]!
    expect(embedding).toMatchObject({ name: 'token_embd.weight', type: 'Q8_0', shape: [32, TINY_VOCABULARY] })
    expect(embedding.bytes).toBe(TINY_VOCABULARY * 34)
    expect(embedding.offset).toBe(header.dataOffset)
    expect(header.tensorBytes).toBe(header.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0))
  })

  test('keeps small arrays, and numbers of any type', async () => {
    const file = llama()
      .setArray('general.tags', 'string', ['a', 'ü'])
      .setArray('x.i16', 'i16', [-1, 2])
      .set('x.u64', 'u64', 2n ** 60n)
      .set('x.bool', 'bool', 1)
      .set('x.f64', 'f64', 0.1)
    const { metadata } = await readGguf(save(file.bytes()))
    expect(metadata.get('general.tags')).toEqual({
      type: 'array',
      of: 'string',
      count: 2,
      values: ['a', 'ü'],
    })
    expect(metadata.get('x.i16')).toMatchObject({ values: new Int16Array([-1, 2]) })
    expect(metadata.get('x.u64')).toEqual({ type: 'u64', value: 2n ** 60n })
    expect(metadata.get('x.bool')).toEqual({ type: 'bool', value: true })
    expect(metadata.get('x.f64')).toEqual({ type: 'f64', value: 0.1 })
  })

  test.each(Object.keys(TINY_MODELS) as (keyof typeof TINY_MODELS)[])('accepts %s', async (name) => {
    expect((await readGguf(save(tinyModel(name)))).tensors.length).toBeGreaterThan(0)
  })

  test('accepts version 2', async () => {
    const file = llama()
    file.version = 2
    expect((await readGguf(save(file.bytes()))).version).toBe(2)
  })

  test('accepts values larger than its window, wherever they lie', async () => {
    const file = new GgufWriter()
      .set('tokenizer.chat_template', 'string', 'x'.repeat(700_000))
      .setArray('x.numbers', 'f32', new Array(80_000).fill(0.5))
      .set('general.architecture', 'string', 'llama')
      .set('tokenizer.ggml.model', 'string', 'gpt2')
      .setArray(
        'tokenizer.ggml.tokens',
        'string',
        Array.from({ length: 30_000 }, (_, id) => `token ${id}`),
      )
      .setArray(
        'tokenizer.ggml.merges',
        'string',
        Array.from({ length: 30_000 }, (_, id) => `a ${id}`),
      )
    const header = await readGguf(save(file.bytes()), { vocabOnly: true })
    expect(header.tokenCount).toBe(30_000)
    expect(header.metadata.get('tokenizer.chat_template')).toMatchObject({ value: 'x'.repeat(700_000) })
  })

  test('accepts a vocabulary without tensors only when nothing else is wanted', async () => {
    const file = llama()
    for (const { name } of (await readGguf(save(file.bytes()))).tensors) file.removeTensor(name)
    const path = save(file.bytes())
    expect((await readGguf(path, { vocabOnly: true })).tokenCount).toBe(TINY_VOCABULARY)
    expect((await failure(path)).message).toMatch(/no tensors/)
  })

  test('treats special token ids out of range as absent, as llama.cpp does', async () => {
    const file = llama().set('tokenizer.ggml.padding_token_id', 'u32', 32_000)
    await expect(readGguf(save(file.bytes()))).resolves.toMatchObject({ architecture: 'llama' })
  })

  test('accepts empty tokens, which llama.cpp renames', async () => {
    const empty = ['<unk>', '<s>', '</s>', '', '', '\0']
    const file = new GgufWriter()
      .set('general.architecture', 'string', 'llama')
      .set('tokenizer.ggml.model', 'string', 'llama')
      .setArray('tokenizer.ggml.tokens', 'string', empty)
    expect((await readGguf(save(file.bytes()), { vocabOnly: true })).tokenCount).toBe(empty.length)
  })

  test('stops at an abort with its reason', async () => {
    const reason = new Error('enough')
    const reading = readGguf(save(tinyModel('llama')), { signal: AbortSignal.abort(reason) })
    await expect(reading).rejects.toBe(reason)
  })
})

describe('readGguf() of a path that is not a GGUF file:', () => {
  test('a missing file is ERR_MODEL_NOT_FOUND', async () => {
    expect((await failure(join(folder, 'absent.gguf'))).code).toBe('ERR_MODEL_NOT_FOUND')
    expect((await failure(join(save('x'), 'absent.gguf'))).code).toBe('ERR_MODEL_NOT_FOUND')
  })

  test('a directory and a device are ERR_MODEL_UNREADABLE', async () => {
    expect((await failure(folder)).code).toBe('ERR_MODEL_UNREADABLE')
    if (process.platform === 'win32') return
    expect((await failure('/dev/null')).code).toBe('ERR_MODEL_UNREADABLE')
  })

  test('a link to a model is a model', async () => {
    const link = join(folder, 'link.gguf')
    symlinkSync(save(tinyModel('llama')), link)
    await expect(readGguf(link)).resolves.toMatchObject({ path: link })
  })

  test.each<[string, Buffer | string, RegExp]>([
    ['nothing', '', /empty \(0 bytes\)/],
    ['noise', 'hello world', /nor a file of another kind/],
    ['an old ggml file', Buffer.from('tjgg\x01\0\0\0'), /old ggml file/],
    ['a zip', 'PK\x03\x04....', /PyTorch/],
    ['safetensors', Buffer.from('\x40\0\0\0\0\0\0\0{"a":{}}'), /safetensors/],
    ['a git-lfs pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /git lfs pull/],
    ['a web page', '<!DOCTYPE html><html>404</html>', /web page/],
    ['a JSON answer', '{"error":"not found"}', /JSON/],
    ['a byte-swapped GGUF', 'FUGG\0\0\0\x03', /big-endian/],
  ])('%s is ERR_NOT_GGUF and named', async (_, content, mentions) => {
    await expectRefused(content, 'ERR_NOT_GGUF', mentions)
  })

  test.each<[string, number, string, RegExp]>([
    ['version 1', 1, 'ERR_MODEL_UNSUPPORTED', /version 1/],
    ['a newer version', 4, 'ERR_MODEL_UNSUPPORTED', /version 4/],
    ['big-endian', 0x03000000, 'ERR_MODEL_UNSUPPORTED', /big-endian/],
    ['version 0', 0, 'ERR_MODEL_DAMAGED', /version is 0/],
  ])('%s is refused by name', async (_, version, code, mentions) => {
    const file = llama()
    file.version = version
    await expectRefused(file.bytes(), code, mentions)
  })

  test.each<[string, (file: GgufWriter) => GgufWriter, RegExp]>([
    ['a LoRA adapter', (file) => file.set('general.type', 'string', 'adapter'), /LoRA/],
    ['a vision part', (file) => file.set('general.architecture', 'string', 'clip'), /mmproj/],
    ['a draft head', (file) => file.set('general.architecture', 'string', 'eagle3'), /draft head/],
    ['layers of a draft head only', (file) => file.set('llama.nextn_predict_layers', 'u32', 2), /draft head/],
    [
      'a tokenizer called like a method',
      (file) => file.set('tokenizer.ggml.model', 'string', 'toString'),
      /unknown kind/,
    ],
    [
      'a model without vocabulary',
      (file) => file.set('tokenizer.ggml.model', 'string', 'none'),
      /no vocabulary/,
    ],
    [
      'an unknown tokenizer',
      (file) => file.set('tokenizer.ggml.model', 'string', 'new'),
      /unknown kind "new"/,
    ],
  ])('%s is ERR_MODEL_UNSUPPORTED', async (_, change, mentions) => {
    await expectRefused(change(llama()).bytes(), 'ERR_MODEL_UNSUPPORTED', mentions)
  })
})

describe('readGguf() of a truncated file', () => {
  test('says how many bytes it should have and has', async () => {
    const bytes = tinyModel('llama')
    const { tensors } = await readGguf(save(bytes))
    const last = tensors.at(-1)!
    const cut = bytes.subarray(0, last.offset + last.bytes - 1)
    await expectRefused(cut, 'ERR_MODEL_DAMAGED', new RegExp(`${cut.length + 1} bytes but has ${cut.length}`))
  })

  test('detects it wherever the header ends', async () => {
    const bytes = tinyModel('llama')
    const { dataOffset } = await readGguf(save(bytes))
    const path = join(folder, 'cut.gguf')
    for (let length = 1; length < dataOffset; length += 1 + Math.floor(length / 40)) {
      writeFileSync(path, bytes.subarray(0, length))
      const { code } = await failure(path)
      expect([length, code]).toEqual([length, length < 4 ? 'ERR_NOT_GGUF' : 'ERR_MODEL_DAMAGED'])
    }
  })
})

describe('readGguf() refuses a header that', () => {
  test('claims more tensors or keys than the file can hold', async () => {
    const tensors = llama()
    tensors.claimedTensors = 60_000
    await expectDamaged(tensors, /claims 60000 tensors/)
    const keys = llama()
    keys.claimedKeys = 2 ** 40
    await expectDamaged(keys, /claims 1099511627776 metadata keys/)
  })

  test('repeats a key', () =>
    expectDamaged(llama().duplicate('general.name'), /"general.name" appears twice/))

  test('has a key, or a tensor name, that is empty or ends early', async () => {
    await expectDamaged(llama().set('', 'u32', 1), /metadata key \d+ is empty/)
    await expectDamaged(
      llama().set('llama.expert_used_count\0', 'u32', 1),
      /metadata key \d+ holds a zero byte/,
    )
    await expectDamaged(llama().tensor('', [32]), /the name of tensor \d+ is empty/)
    await expectDamaged(llama().tensor('output.weight\0', [32]), /the name of tensor \d+ holds a zero byte/)
  })

  test('has an unknown value type', () =>
    expectDamaged(llama().raw('x', Buffer.from([13, 0, 0, 0])), /"x" has the unknown value type 13/))

  test('has arrays of arrays', () => {
    const nested = Buffer.alloc(32)
    nested[0] = 9
    nested[4] = 9
    nested[8] = 1
    return expectDamaged(llama().raw('x', nested), /array of arrays/)
  })

  test.each([
    ['numbers', 4],
    ['strings', 8],
  ])('claims more %s in an array than the file can hold', (_, of) => {
    const array = Buffer.alloc(16)
    array[0] = 9
    array[4] = of
    array.writeBigUInt64LE(2n ** 61n, 8)
    return expectDamaged(llama().raw('x', array), /"x" claims \d+ elements/)
  })

  test('claims a string longer than the file', () => {
    const string = Buffer.alloc(12)
    string[0] = 8
    string.writeBigUInt64LE(2n ** 63n, 4)
    return expectDamaged(llama().raw('x', string), /"x" claims \d+ bytes, but only/)
  })

  test.each(['', '.tool_use'])('has a chat template (%s) longer than any real one', (name) =>
    expectDamaged(
      llama().set(`tokenizer.chat_template${name}`, 'string', 'x'.repeat(2 ** 20 + 1)),
      /chat_template.* claims 1048577 bytes, more than any real one has/,
    ),
  )

  test.each([0, 3, 48])('is aligned to %i', (alignment) =>
    expectDamaged(llama().set('general.alignment', 'u32', alignment), /power of two/),
  )

  test('aligns tensors too loosely to be mapped into memory', () => {
    const file = llama().set('general.alignment', 'u32', 4).tensor('blk.0.attn_norm.weight', [33])
    file.alignment = 4
    return expectDamaged(file, /not aligned to 32 bytes/)
  })

  test('names a tensor twice', () =>
    expectDamaged(llama().duplicateTensor('output_norm.weight'), /"output_norm.weight" appears twice/))

  test('names a tensor with 64 bytes', () => expectDamaged(llama().tensor('n'.repeat(64), [32]), /63 bytes/))

  test.each<[string, number[], RegExp]>([
    ['without dimensions', [], /0 dimensions/],
    ['of five dimensions', [1, 1, 1, 1, 1], /5 dimensions/],
    ['of no values', [32, 0], /empty shape/],
  ])('has a tensor %s', (_, shape, mentions) => expectDamaged(llama().tensor('x', shape), mentions))

  test('has a tensor with an impossible number of values', async () => {
    const bytes = llama().tensor('huge', [7, 7, 7], 'F32').bytes()
    const at = bytes.indexOf('huge') + 4 + 4
    for (let dimension = 0; dimension < 3; dimension++) bytes.writeBigUInt64LE(2n ** 31n, at + dimension * 8)
    await expectRefused(bytes, 'ERR_MODEL_DAMAGED', /impossible shape/)
  })

  test('has rows that do not fill their blocks', () =>
    expectDamaged(llama().tensor('x', [40, 2], 'Q8_0'), /blocks of 32/))

  test('has tensors of unknown or removed types', async () => {
    const bytes = llama().tensor('last', [32]).bytes()
    const at = bytes.indexOf('last') + 4 + 4 + 8
    bytes.writeUInt32LE(99, at)
    await expectRefused(bytes, 'ERR_MODEL_DAMAGED', /unknown type 99/)
    bytes.writeUInt32LE(31, at)
    await expectRefused(bytes, 'ERR_MODEL_UNSUPPORTED', /Q4_0_4_4/)
  })

  test('leaves gaps between tensors', async () => {
    const bytes = llama().tensor('last', [32]).bytes()
    const at = bytes.indexOf('last') + 4 + 4 + 8 + 4
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) + 32n, at)
    await expectRefused(bytes, 'ERR_MODEL_DAMAGED', /"last" is said to start at/)
  })
})

describe('readGguf() refuses a model whose', () => {
  test.each([
    'general.architecture',
    'llama.block_count',
    'llama.context_length',
    'llama.embedding_length',
    'tokenizer.ggml.model',
    'tokenizer.ggml.tokens',
  ])('"%s" is missing', (key) => expectDamaged(llama().remove(key), new RegExp(key)))

  test.each<[string, (key: string) => GgufWriter]>([
    ['llama.block_count', count(0)],
    ['llama.block_count', count(513)],
    ['llama.block_count', (key) => llama().set(key, 'string', '2')],
    ['llama.embedding_length', count(0)],
    ['llama.context_length', count(2 ** 32 - 1)],
    ['llama.attention.head_count', count(2 ** 31)],
    ['llama.attention.sliding_window', count(2 ** 32 - 1)],
    ['llama.attention.layer_norm_rms_epsilon', float(Number.NaN)],
    ['llama.attention.layer_norm_rms_epsilon', float(-1)],
    ['llama.feed_forward_length', float(Number.NaN)],
    ['llama.feed_forward_length', float(Number.POSITIVE_INFINITY)],
    ['llama.feed_forward_length', (key) => llama().set(key, 'string', '64')],
    ['llama.expert_used_count', (key) => moe().set(key, 'f32', Number.NaN)],
    ['llama.expert_feed_forward_length', float(-1)],
    ['llama.attention.shared_kv_layers', count(2 ** 32 - 1)],
    ['llama.rope.freq_base', float(0)],
    ['llama.rope.freq_base', float(Number.POSITIVE_INFINITY)],
    ['llama.rope.scaling.type', (key) => llama().set(key, 'string', 'su')],
    ['llama.rope.dimension_sections', (key) => llama().setArray(key, 'i32', [0, 0, 0, 0])],
    ['llama.nextn_predict_layers', count(3)],
    ['llama.ssm.time_step_rank', count(0)],
    ['llama.attention.head_count_kv', (key) => llama().setArray(key, 'u32', [2, 2, 2])],
    ['split.count', (key) => llama().set(key, 'u32', 1)],
    ['tokenizer.chat_template', (key) => llama().set(key, 'u32', 1)],
    ['tokenizer.ggml.add_bos_token', (key) => llama().set(key, 'u32', 1)],
  ])('"%s" is out of bounds or of a wrong type', (key, change) => expectDamaged(change(key), new RegExp(key)))

  test('layers that share keys leave fewer than two that have their own', () =>
    expectDamaged(
      llama()
        .set('general.architecture', 'string', 'gemma4')
        .set('gemma4.block_count', 'u32', 2)
        .set('gemma4.context_length', 'u32', 256)
        .set('gemma4.embedding_length', 'u32', 32)
        .set('gemma4.attention.shared_kv_layers', 'u32', 1),
      /shared_kv_layers" is 1, of 2 layers/,
    ))

  test('attention heads cannot share their keys', () =>
    expectDamaged(llama().set('llama.attention.head_count_kv', 'u32', 3), /cannot share/))

  test.each([0, 7, 10])('rotation covers %i of 8 values', (dimensions) =>
    expectDamaged(llama().set('llama.rope.dimension_count', 'u32', dimensions), /rotates/),
  )

  test('sliding window reaches no layer', async () => {
    const gemma = () => TINY_MODELS.gemma3()
    const key = 'gemma3.attention.sliding_window_pattern'
    await expectDamaged(gemma().set(key, 'u32', 1), /no layer/)
    await expectDamaged(gemma().setArray(key, 'bool', [0, 0]), /no layer/)
    await expect(readGguf(save(gemma().setArray(key, 'bool', [1, 0]).bytes()))).resolves.toBeDefined()
  })

  test('rotation covers more than a head of a windowed layer has', () =>
    expectDamaged(
      TINY_MODELS.gemma3().set('gemma3.rope.dimension_count_swa', 'u32', 10),
      /rotates 10 of the 8/,
    ))

  test.each<[string, GgufWriter]>([
    ['more are used than there are', moe().set('llama.expert_used_count', 'u32', 5)],
    ['none is used', moe().set('llama.expert_used_count', 'u32', 0)],
    ['some are used of none', llama().set('llama.expert_used_count', 'u32', 1)],
    ['groups do not divide them', moe().set('llama.expert_group_count', 'u32', 3)],
    ['no group is used', moe().set('llama.expert_group_count', 'u32', 2)],
  ])('experts do not fit together: %s', (_, file) => expectDamaged(file, /expert counts/))

  test.each<[string, GgufWriter]>([
    ['a norm in F16', llama().tensor('output_norm.weight', [32], 'F16')],
    ['a bias in Q8_0', llama().tensor('blk.0.attn_q.bias', [32], 'Q8_0')],
    ['a matrix of integers', llama().tensor('blk.0.attn_q.weight', [32, 32], 'I32')],
    [
      'an embedding in an intermediate type',
      llama().tensor('token_embd.weight', [32, TINY_VOCABULARY], 'Q8_1'),
    ],
  ])('tensors are of a type that cannot be computed with: %s', (_, file) =>
    expectDamaged(file, /is stored as/),
  )

  test('embedding has other rows than the vocabulary', () =>
    expectDamaged(llama().tensor('token_embd.weight', [32, 200], 'Q8_0'), /embeds 200 tokens/))
})

describe('readGguf() refuses a vocabulary that', () => {
  const tokens = (change: (tokens: string[]) => void) => {
    const list = ['<unk>', '<s>', '</s>', 'a', 'b']
    change(list)
    return new GgufWriter()
      .set('general.architecture', 'string', 'llama')
      .set('tokenizer.ggml.model', 'string', 'llama')
      .setArray('tokenizer.ggml.tokens', 'string', list)
      .tensor('x', [1])
  }

  test('holds a token twice', async () => {
    await expectDamaged(
      tokens((list) => list.push('b')),
      /token 5 .*"b".* second time/,
    )
    // llama.cpp reads them as C strings
    await expectDamaged(
      tokens((list) => list.push('b\0c')),
      /second time/,
    )
  })

  test('holds a token of a megabyte', () =>
    expectDamaged(
      tokens((list) => list.push('x'.repeat(2 ** 20))),
      /token 5 .*1048576 bytes/,
    ))

  test('has so many control tokens that each text would be searched for too long', async () => {
    const list = Array.from({ length: 2 ** 18 + 1 }, (_, i) => `<${i}>`)
    const many = llama()
      .setArray('tokenizer.ggml.tokens', 'string', list)
      .setArray('tokenizer.ggml.token_type', 'i32', Array(list.length).fill(3))
      .setArray('tokenizer.ggml.scores', 'f32', Array(list.length).fill(0))
    await expectRefused(many.bytes(), 'ERR_MODEL_UNSUPPORTED', /262145 control tokens/)
  })

  test.each<[string, GgufWriter, RegExp]>([
    ['no tokens', llama().setArray('tokenizer.ggml.tokens', 'string', []), /0 tokens/],
    ['numbers for tokens', llama().setArray('tokenizer.ggml.tokens', 'u32', [1]), /holds no strings/],
    ['scores for other tokens', llama().setArray('tokenizer.ggml.scores', 'f32', [1]), /1 elements for/],
    ['types of a wrong kind', llama().setArray('tokenizer.ggml.token_type', 'string', ['x']), /token_type/],
    ['merges that are numbers', llama().setArray('tokenizer.ggml.merges', 'u32', [1]), /merges/],
    ['a merge of one', llama().setArray('tokenizer.ggml.merges', 'string', ['a b', 'ab']), /merge 1/],
    [
      'an endless character map',
      llama().setArray('tokenizer.ggml.precompiled_charsmap', 'u8', [1, 1]),
      /charsmap/,
    ],
  ])('has %s', (_, file, mentions) => expectDamaged(file, mentions))

  test('gives a token an unknown type, or a NaN for a score', async () => {
    const all = <T>(value: T, last: T) => [...new Array<T>(TINY_VOCABULARY - 1).fill(value), last]
    await expectDamaged(
      llama().setArray('tokenizer.ggml.token_type', 'i32', all(1, 7)),
      new RegExp(`says 7 of token ${TINY_VOCABULARY - 1}`),
    )
    await expectDamaged(llama().setArray('tokenizer.ggml.scores', 'f32', all(0, Number.NaN)), /says NaN/)
  })

  test('has byte tokens among word pieces', async () => {
    const file = TINY_MODELS.bert()
    const { tokenCount } = await readGguf(save(file.bytes()))
    await expectDamaged(
      file.setArray('tokenizer.ggml.token_type', 'i32', new Array(tokenCount).fill(6)),
      /says 6 of token 0/,
    )
  })

  test('is to add a token that does not exist', async () => {
    const small = () => tokens((list) => list.splice(1))
    await expectDamaged(small(), /"tokenizer.ggml.bos_token_id" is missing/)
    await expectDamaged(
      tokens(() => {})
        .set('tokenizer.ggml.model', 'string', 't5')
        .set('tokenizer.ggml.add_bos_token', 'bool', true)
        .set('tokenizer.ggml.bos_token_id', 'u32', 99),
      /"tokenizer.ggml.bos_token_id" is 99/,
    )
  })
})

describe('readGguf() of a split model', () => {
  /** Writes `llama` in two files and changes what `change` says. */
  async function split(change: { second?: (file: GgufWriter) => void; name?: string } = {}): Promise<string> {
    const own = join(folder, `split-${files++}`)
    mkdirSync(own)
    const first = llama().set('split.count', 'u16', 2).set('split.no', 'u16', 0)
    first.removeTensor('output_norm.weight')
    const second = new GgufWriter().set('split.no', 'u16', 1).tensor('output_norm.weight', [32])
    change.second?.(second)
    const path = join(own, change.name ?? 'model-00001-of-00002.gguf')
    writeFileSync(path, first.bytes())
    writeFileSync(join(own, 'model-00002-of-00002.gguf'), second.bytes())
    return path
  }

  test('reads all its parts', async () => {
    const header = await readGguf(await split())
    expect(header.files).toHaveLength(2)
    expect(header.fileBytes).toBe(header.files[0]!.bytes + header.files[1]!.bytes)
    expect(header.tensors.map(({ name }) => name)).toContain('output_norm.weight')
  })

  test('names a part that is missing', async () => {
    const path = await split()
    rmSync(path.replace('00001-of', '00002-of'))
    const error = await failure(path)
    expect(error.code).toBe('ERR_MODEL_NOT_FOUND')
    expect(error.path).toMatch(/00002-of-00002/)
  })

  test('finds a part that is truncated', async () => {
    const path = await split()
    writeFileSync(path.replace('00001-of', '00002-of'), 'GGUF')
    expect((await failure(path)).code).toBe('ERR_MODEL_DAMAGED')
  })

  test('refuses parts in a wrong place, and tensors in two of them', async () => {
    const wrong = await failure(await split({ second: (file) => file.set('split.no', 'u16', 2) }))
    expect([wrong.code, wrong.message]).toEqual(['ERR_MODEL_DAMAGED', expect.stringMatching(/split.no/)])
    const typed = await failure(await split({ second: (file) => file.set('split.no', 'u32', 1) }))
    expect(typed.code).toBe('ERR_MODEL_DAMAGED')
    const twice = await failure(await split({ second: (file) => file.tensor('token_embd.weight', [32]) }))
    expect(twice.message).toMatch(/same name/)
  })

  test('asks for the first part, and for its name, from which the others follow', async () => {
    const second = (await split()).replace('00001-of', '00002-of')
    writeFileSync(second, llama().set('split.count', 'u16', 2).set('split.no', 'u16', 1).bytes())
    expect((await failure(second)).message).toMatch(/not the first part/)
    expect((await failure(await split({ name: 'renamed.gguf' }))).message).toMatch(/must end in/)
  })
})

describe('describeKind()', () => {
  test.each([
    ['llama', 'decoder', true],
    ['llama-moe', 'decoder', true],
    ['gemma3', 'sliding-window', true],
    ['mamba', 'recurrent', true],
    ['lfm2', 'hybrid', true],
    ['t5', 'encoder-decoder', false],
    ['bert', 'encoder', false],
    ['llada', 'diffusion', false],
    ['unknownarch', 'decoder', true],
  ] as const)('classifies %s as %s', async (name, kind, generatesText) => {
    const header = await readGguf(save(tinyModel(name)))
    expect(describeKind(header)).toMatchObject({ kind, generatesText })
    if (generatesText) expect(() => assertGeneratesText(header)).not.toThrow()
    else
      expect(() => assertGeneratesText(header)).toThrow(
        expect.objectContaining({
          code: 'ERR_MODEL_UNSUPPORTED',
          message: expect.stringContaining(`"${header.architecture}"`),
        }),
      )
  })

  test("uses the header's statement that it is not causal", async () => {
    const file = llama().set('llama.attention.causal', 'bool', false)
    expect(describeKind(await readGguf(save(file.bytes()))).kind).toBe('encoder')
  })
})

describe('purposeOf()', () => {
  const purpose = async (file: GgufWriter) => purposeOf(await readGguf(save(file.bytes())))

  test.each([
    ['llama', 'text'],
    ['mamba', 'text'],
    ['bert', 'embeddings'],
    ['t5', undefined],
    ['llada', undefined],
  ] as const)('of %s is %s', async (name, expected) => {
    expect(await purpose(TINY_MODELS[name]())).toBe(expected)
  })

  test.each([
    ['llama', 3, 'embeddings'],
    ['llama', 4, 'ranking'],
    ['llama', 0, 'text'],
    ['bert', 0, undefined],
    ['bert', 4, 'ranking'],
    ['t5', 4, undefined],
  ] as const)('of %s with pooling type %i is %s', async (name, type, expected) => {
    expect(await purpose(TINY_MODELS[name]().set(`${name}.pooling_type`, 'u32', type))).toBe(expected)
  })
})
