import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GPT4All, isGPT4AllError, type Progress } from '../../src/index.ts'
import { asGguf } from '../../src/models/ggml/convert.ts'
import { type OldModel, oldModel } from '../support/ggml-writer.ts'
import { seeded } from '../support/gguf-writer.ts'
import {
  type Described,
  describeGguf,
  greedyTokens,
  OLD_FILES,
  oldFile,
  sha256,
} from '../support/old-files.ts'
import { tinyModel } from '../support/tiny-models.ts'

const golden: Readonly<Record<string, Described>> = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'golden', 'ggml.json'), 'utf8'),
)
const silent = { debug() {}, info() {}, warn() {}, error() {} }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-old-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Puts a file into the folder. */
function put(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

const convert = (path: string, more: { signal?: AbortSignal; onProgress?: (told: Progress) => void } = {}) =>
  asGguf(path, { signal: new AbortController().signal, logger: silent, onProgress: undefined, ...more })

describe('an old file is converted as by llama.cpp, byte for byte, and generates the same text:', () => {
  test('is in the golden file, each of them', () => {
    expect(Object.keys(golden)).toEqual(expect.arrayContaining(OLD_FILES))
    // What they say differs, so that the comparison below can fail.
    expect(new Set(Object.values(golden).map(({ greedy }) => greedy.join())).size).toBeGreaterThan(10)
  })

  test.each(OLD_FILES)('%s', async (name) => {
    const bytes = oldFile(name)
    const { input, greedy, ...expected } = golden[name] as Described
    expect(sha256(bytes)).toBe(input)
    const path = put(name, bytes)
    expect(await greedyTokens(path)).toEqual(greedy)
    expect(await describeGguf(`${path}.gguf`)).toEqual(expected)
    expect(readdirSync(folder).sort()).toEqual([name, `${name}.gguf`])
  })
})

describe('a file that cannot be converted exactly is refused by name:', () => {
  const v1: OldModel = { magic: 'ggjt', version: 1 }
  const v2: OldModel = { magic: 'ggjt', version: 2 }
  const v3: OldModel = { magic: 'ggjt', version: 3 }
  const words = (magic: string, ...numbers: number[]) =>
    Buffer.concat([Buffer.from(magic), Buffer.from(Uint32Array.from(numbers).buffer), Buffer.alloc(64)])
  test.each<[string, string, Buffer, RegExp]>([
    [
      'Q4_0 of GGJTv2',
      'a.bin',
      oldModel({ ...v2, type: 'Q4_0', fileType: 2 }),
      /Q4_0 weights as GGJTv2 had them/,
    ],
    ['Q4_1 of GGJTv2', 'a.bin', oldModel({ ...v2, type: 'Q4_1', fileType: 3 }), /Q4_1 weights as GGJTv2/],
    ['Q8_0 of GGJTv2', 'a.bin', oldModel({ ...v2, type: 'Q8_0', fileType: 7 }), /Q8_0 weights as GGJTv2/],
    ['Q5_0 of GGJTv1', 'a.bin', oldModel({ ...v1, type: 'Q5_0', fileType: 8 }), /Q5_0 weights as GGJTv1/],
    [
      'Q4_0 of ggml',
      'a.bin',
      oldModel({ magic: 'ggml', type: 'Q4_0', fileType: 2 }),
      /Q4_0 weights as GGMLv1/,
    ],
    ['Q8_1', 'a.bin', oldModel({ ...v3, type: 'Q8_1', fileType: 2 }), /weights of Q8_1/],
    ['GPT-J', 'a.bin', words('lmgg', 50400, 2048, 4096, 16, 28, 64, 2, 50400), /a GPT-J model/],
    [
      'StarCoder',
      'starcoderbase-3b-ggml.bin',
      words('lmgg', 49152, 8192, 2816, 22, 36, 2, 49152),
      /StarCoder.*starcoder-newbpe-q4_0\.gguf/,
    ],
    [
      'MPT',
      'ggml-mpt-7b-chat.bin',
      words('mmgg', 50432, 2048),
      /an MPT model.*mpt-7b-chat\.gguf4\.Q4_0\.gguf/,
    ],
    ['Replit', 'ggml-replit-code-v1-3b.bin', words('lper', 32768), /a Replit model.*replit-code-v1_5/],
    ['BERT', 'ggml-all-MiniLM-L6-v2-f16.bin', words('treb', 30522), /a BERT embedding model.*all-MiniLM/],
    [
      'Falcon',
      'ggml-model-gpt4all-falcon-q4_0.bin',
      words('tjgg', 3, 65024, 4544, 71, 1, 32, 7, 2),
      /a Falcon model.*gpt4all-falcon-newbpe/,
    ],
    ['a LoRA adapter', 'a.bin', words('algg', 1), /a LoRA adapter/],
    ['GPT-NeoX', 'a.bin', words('lmgg', 50432, 2048, 2560, 32, 32, 20, 1, 2), /another model than LLaMA/],
  ])('%s', async (_, name, bytes, message) => {
    const error = await GPT4All.load(put(name, bytes), { nThreads: 1 }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED', message: expect.stringMatching(message) })
    expect((error as Error).message).toMatch(/Get the model as GGUF|GPT4All\.load\("/)
    expect(readdirSync(folder)).toEqual([name])
  })
})

describe('a damaged old file', () => {
  test('is refused with a typed error wherever it was cut or changed, and leaves no files', async () => {
    const whole = oldFile('v3-Q4_0.bin')
    const random = seeded(7)
    const kinds = new Set<string>()
    for (let run = 0; run < 150; run++) {
      const bytes = Buffer.from(whole)
      // Most of the file is weights, and any bits are good weights: what lies in front of them is hit harder.
      const at = Math.floor(random() * (run % 2 ? bytes.length : 4096))
      if (run % 3 === 0) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), Math.min(at, bytes.length - 4))
      else bytes[at] = random() * 256
      const path = put('model.bin', run % 5 === 0 ? bytes.subarray(0, at) : bytes)
      const outcome = await convert(path).then(
        () => 'converted',
        (error: unknown) => (isGPT4AllError(error) ? error.code : String(error)),
      )
      expect(
        ['converted', 'ERR_MODEL_DAMAGED', 'ERR_MODEL_UNSUPPORTED', 'ERR_NOT_GGUF'],
        `run ${run}: ${at}`,
      ).toContain(outcome)
      kinds.add(outcome)
      const converted = outcome === 'converted' && existsSync(`${path}.gguf`)
      expect(readdirSync(folder)).toEqual(converted ? ['model.bin', 'model.bin.gguf'] : ['model.bin'])
      rmSync(`${path}.gguf`, { force: true })
    }
    expect(kinds.size).toBeGreaterThan(2)
  })

  test('that claims more than it has allocates no memory for it', async () => {
    const bytes = Buffer.from(oldFile('v3-F16.bin'))
    for (const at of [8, 12, 24, 36]) {
      const changed = Buffer.from(bytes)
      changed.writeUInt32LE(0xffff_fff0, at)
      await expect(convert(put('model.bin', changed))).rejects.toSatisfy(isGPT4AllError)
    }
  })
})

describe('the conversion of an old file', () => {
  test('is logged, happens once, and again when the old file has changed', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    const told: Progress[] = []
    const model = await GPT4All.load(path, { nThreads: 1, onProgress: (progress) => told.push(progress) })
    expect(model.config?.metadata['general.name']).toBe('model.bin')
    await model.close()
    const phases = told.map(({ phase }) => phase)
    expect([...new Set(phases)]).toEqual(['convert', 'load'])
    const last = told[phases.lastIndexOf('convert')]
    expect(last?.bytes).toBe(last?.total)
    const { mtimeMs } = statSync(`${path}.gguf`)
    await convert(path)
    expect(statSync(`${path}.gguf`).mtimeMs).toBe(mtimeMs)
    put('model.bin', oldFile('v3-F32.bin'))
    const later = new Date(Date.now() + 5000)
    utimesSync(path, later, later)
    await convert(path)
    expect((await describeGguf(`${path}.gguf`)).metadata['general.file_type']).toBe(0)
  })

  test('happens once for all calls at the same time', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    const told: string[] = []
    const onProgress = ({ bytes, total }: Progress) => void (bytes === total && told.push('done'))
    const paths = await Promise.all([1, 2, 3].map(() => convert(path, { onProgress })))
    expect(paths).toEqual(Array(3).fill(`${path}.gguf`))
    expect(told).toEqual(['done'])
    expect(readdirSync(folder)).toEqual(['model.bin', 'model.bin.gguf'])
  })

  test('stops when it is aborted, and leaves nothing', async () => {
    const path = put('model.bin', oldFile('v3-F32.bin'))
    const controller = new AbortController()
    const onProgress = () => controller.abort('enough')
    await expect(convert(path, { signal: controller.signal, onProgress })).rejects.toBe('enough')
    expect(readdirSync(folder)).toEqual(['model.bin'])
  })

  test('replaces what a killed process left', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    put('model.bin.gguf.part', Buffer.alloc(3_000_000, 7))
    await convert(path)
    const { metadata, tensors } = golden['v3-F16.bin'] as Described
    const made = await describeGguf(`${path}.gguf`)
    expect(made).toEqual({ metadata: { ...metadata, 'general.name': 'model.bin' }, tensors })
  })

  test('happened before, so the model is found without the old file', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    const greedy = await greedyTokens(path)
    rmSync(path)
    expect(await greedyTokens(path)).toEqual(greedy)
    const model = await GPT4All.load('model', { modelPath: folder, nThreads: 1, allowDownload: false })
    await model.close()
  })

  test('keeps the templates from a list beside the old file', async () => {
    const path = put('orca-mini-3b.ggmlv3.q4_0.bin', oldFile('v3-Q4_0.bin'))
    const entry = {
      filename: 'orca-mini-3b.ggmlv3.q4_0.bin',
      filesize: String(statSync(path).size),
      promptTemplate: '### User:\n%1\n### Response:\n',
      systemPrompt: '### System:\nBe helpful.\n\n',
    }
    put('models.json', Buffer.from(JSON.stringify([entry])))
    for (const prepare of [() => {}, () => rmSync(path)]) {
      prepare()
      const model = await GPT4All.load(path, { nThreads: 1 })
      expect(await model.renderPrompt([{ role: 'user', content: 'hi' }])).toBe(
        '### System:\nBe helpful.\n\n### User:\nhi\n### Response:\n',
      )
      await model.close()
    }
  })

  test('refuses a file that lacks tensors, has too many or changes meanwhile, and leaves no files', async () => {
    const whole = oldFile('v3-F32.bin')
    const [layers, last] = [4 * 6, 4 * (64 + 12) + 4]
    for (const change of [
      () => whole.subarray(0, whole.length - 100),
      () => Buffer.from(whole).fill(3, layers, layers + 1),
      () => Buffer.from(whole).fill(1, layers, layers + 1),
      () => whole.subarray(0, whole.length - last),
    ]) {
      const path = put('model.bin', change())
      await expect(convert(path)).rejects.toMatchObject({ code: 'ERR_MODEL_DAMAGED', path })
      expect(readdirSync(folder)).toEqual(['model.bin'])
    }
    const path = put('model.bin', whole)
    const onProgress = () => put('model.bin', oldFile('v3-F16.bin'))
    await expect(convert(path, { onProgress })).rejects.toThrow(/changed while|became shorter/)
    expect(readdirSync(folder)).toEqual(['model.bin'])
  })

  test('notices another file of the same name, even an older one', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    await convert(path)
    put('model.bin', oldFile('v3-F32.bin'))
    const before = new Date(1_600_000_000_000)
    utimesSync(path, before, before)
    await convert(path)
    expect((await describeGguf(`${path}.gguf`)).metadata['general.file_type']).toBe(0)
  })

  test('overwrites no file that is not a conversion', async () => {
    const path = put('model.bin', oldFile('v3-F16.bin'))
    for (const bytes of [tinyModel('llama'), Buffer.from('notes')]) {
      put('model.bin.gguf', bytes)
      await expect(convert(path)).rejects.toMatchObject({
        code: 'ERR_MODEL_UNREADABLE',
        message: expect.stringContaining('is not a conversion of it'),
      })
      expect(readFileSync(`${path}.gguf`).equals(bytes)).toBe(true)
    }
    rmSync(`${path}.gguf`)
    mkdirSync(`${path}.gguf`)
    await expect(convert(path)).rejects.toMatchObject({ code: 'ERR_MODEL_UNREADABLE' })
    rmSync(`${path}.gguf`, { recursive: true })
    const victim = put('victim', Buffer.from('mine'))
    symlinkSync(victim, `${path}.gguf.part`)
    await convert(path)
    expect(readFileSync(victim, 'utf8')).toBe('mine')
    expect(readdirSync(folder)).toEqual(['model.bin', 'model.bin.gguf', 'victim'])
  })
})
