import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { Embed4All, GPT4All, type Progress, Reranker } from '../../src/index.ts'
import { fileBytes } from '../support/hostile-server.ts'
import { sha256 } from '../support/hub-server.ts'
import { asked, failureOf, withHub } from '../support/hub-tests.ts'
import { EMBEDDED } from '../support/models.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

const TOKEN = 'hf_openSesame'
const bytes = readFileSync(EMBEDDED)
const other = fileBytes(1, 50_000)
const PARTS = [1, 2, 3].map((part) => fileBytes(part, 100_000 * part))
const SPLIT = Object.fromEntries(PARTS.map((part, i) => [`big/big-F16-0000${i + 1}-of-00003.gguf`, part]))

const tests = withHub()
const { at, download, logger } = tests
const load = { nThreads: 1, nCtx: 256, tryFirst: false, logger }

describe('a name of Hugging Face', () => {
  test('is downloaded once, and opened from the disk without a word to the network', async () => {
    tests.hub.host('maker/Tiny-GGUF', {
      'tiny-Q8_0.gguf': bytes,
      'tiny-Q4_K_M.gguf': other,
      'README.md': other,
    })
    const name = 'hf:maker/Tiny-GGUF:q8_0'
    const model = await GPT4All.load(name, load)
    expect([model.name, model.config?.path]).toEqual([name, at('maker--Tiny-GGUF--tiny-Q8_0.gguf')])
    expect(await model.generate('The capital of France is', { temp: 0, maxTokens: 4 })).toContain('Paris')
    await model.close()
    expect(asked(tests.hub.files)).toHaveLength(1)
    tests.hub.forget()
    for (const again of [
      name,
      'hf:maker/tiny-gguf:Q8_0',
      'hf:maker/Tiny-GGUF/tiny-Q8_0.gguf',
      'hf:maker/Tiny-GGUF',
    ]) {
      const { path } = await GPT4All.retrieveModel(again, { allowDownload: false, logger })
      expect(path).toBe(at('maker--Tiny-GGUF--tiny-Q8_0.gguf'))
    }
    await expect(GPT4All.describeModel(name)).resolves.toMatchObject({ architecture: 'llama' })
    await expect(GPT4All.estimateMemory(name)).resolves.toMatchObject({ fits: true })
    expect(await download(name)).toBe(at('maker--Tiny-GGUF--tiny-Q8_0.gguf'))
    expect([...tests.hub.front.requests, ...tests.hub.files.requests]).toEqual([])
  })

  test('has an entry beside its file, with what the repository says and no templates', async () => {
    tests.hub.host('maker/Tiny-GGUF', { 'tiny-Q8_0.gguf': bytes })
    await download('hf:maker/Tiny-GGUF')
    const entry = {
      filename: 'maker--Tiny-GGUF--tiny-Q8_0.gguf',
      filesize: bytes.length,
      sha256sum: sha256(bytes),
      quant: 'Q8_0',
      repository: 'maker/Tiny-GGUF',
      repositoryFile: 'tiny-Q8_0.gguf',
      revision: expect.stringMatching(/^[\da-f]{40}$/),
    }
    expect(JSON.parse(readFileSync(at('maker--Tiny-GGUF--tiny-Q8_0.gguf.json'), 'utf8'))).toEqual(entry)
    const path = at('maker--Tiny-GGUF--tiny-Q8_0.gguf')
    expect(await GPT4All.retrieveModel('hf:maker/Tiny-GGUF')).toEqual({ ...entry, path })
    const [local] = await GPT4All.localModels()
    expect(local).toMatchObject({ name: 'maker--Tiny-GGUF--tiny-Q8_0', problem: undefined })
  })

  test('is downloaded into modelPath, in the letter case in which it is asked for', async () => {
    tests.hub.host('maker/Tiny-GGUF', { 'tiny-Q8_0.gguf': bytes })
    const modelPath = join(tests.home, 'mine')
    const path = await download('hf:maker/Tiny-GGUF', { modelPath })
    expect(path).toBe(join(modelPath, 'maker--Tiny-GGUF--tiny-Q8_0.gguf'))
    expect(readdirSync(modelPath)).toHaveLength(2)
  })

  test('names models that make embeddings or rank, draft models, and models of isolated engines', async () => {
    tests.hub.host('maker/encoders', { 'bert-F32.gguf': tinyEncoder('bert'), 'tiny-Q8_0.gguf': bytes })
    const embedder = await Embed4All.load('hf:maker/encoders:F32', { tryFirst: false, nThreads: 1 })
    expect((await embedder.embed('hello', { prefix: '' })).embedding.length).toBeGreaterThan(0)
    await embedder.close()
    await expect(Reranker.load('hf:maker/encoders:F32', { tryFirst: false })).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
    })
    const draftModel = 'hf:maker/encoders:Q8_0'
    const drafting = await GPT4All.load(EMBEDDED, { ...load, draftModel })
    await drafting.close()
    vi.stubEnv('HF_TOKEN', TOKEN)
    tests.hub.host('maker/secret', { 'tiny-Q8_0.gguf': bytes }, { token: TOKEN })
    const isolated = await GPT4All.load('hf:maker/secret', { ...load, isolated: true, draftModel })
    expect(isolated.config?.path).toBe(at('maker--secret--tiny-Q8_0.gguf'))
    await isolated.close()
  })

  test('in another letter case is the same name, also where both were downloaded', async () => {
    for (const repository of ['Maker/Tiny', 'maker/tiny']) {
      tests.hub.host(repository, { 'tiny-Q8_0.gguf': bytes })
      await download(`hf:${repository}`, { force: true })
    }
    tests.hub.forget()
    const both = ['hf:Maker/Tiny', 'hf:maker/tiny'].map((name) => GPT4All.retrieveModel(name, { logger }))
    const filenames = (await Promise.all(both)).map(({ filename }) => filename.toLowerCase())
    expect(new Set(filenames)).toEqual(new Set(['maker--tiny--tiny-q8_0.gguf']))
    expect(tests.hub.front.requests).toEqual([])
  })

  test('may have a revision, whose files are others', async () => {
    tests.hub.host('maker/two', { 'a-Q8_0.gguf': bytes })
    tests.hub.host('maker/two', { 'a-Q8_0.gguf': other }, { revision: 'v1' })
    const paths = [await download('hf:maker/two'), await download('hf:maker/two@v1:Q8_0')]
    expect(paths).toEqual([at('maker--two--a-Q8_0.gguf'), at('maker--two@v1--a-Q8_0.gguf')])
    expect(paths.map((path) => sha256(readFileSync(path)))).toEqual([bytes, other].map(sha256))
  })

  test('is verified by the entry beside its file, else by the list of the repository', async () => {
    tests.hub.host('maker/Tiny-GGUF', { 'another.gguf': other, 'tiny-Q8_0.gguf': bytes })
    const path = await download('hf:maker/Tiny-GGUF')
    tests.hub.forget()
    const verified = { path, algorithm: 'sha256', digest: sha256(bytes) }
    await expect(GPT4All.verifyModel('hf:maker/Tiny-GGUF')).resolves.toEqual(verified)
    expect(tests.hub.front.requests).toEqual([])
    rmSync(`${path}.json`)
    await expect(GPT4All.verifyModel('hf:maker/Tiny-GGUF')).resolves.toEqual(verified)
    expect(tests.hub.front.requests).toHaveLength(1)
    await expect(GPT4All.verifyModel('hf:maker/Tiny-GGUF', { allowDownload: false })).rejects.toMatchObject({
      code: 'ERR_MODEL_CONFIG',
    })
    writeFileSync(path, other)
    await expect(GPT4All.verifyModel('hf:maker/Tiny-GGUF')).rejects.toMatchObject({ code: 'ERR_CHECKSUM' })
  })

  test('is downloaded again with force, as the repository has it now', async () => {
    tests.hub.host('maker/moving', { 'a-Q8_0.gguf': bytes })
    const path = await download('hf:maker/moving')
    tests.hub.host('maker/moving', { 'a-Q8_0.gguf': other })
    expect(sha256(readFileSync(await download('hf:maker/moving')))).toBe(sha256(bytes))
    expect(sha256(readFileSync(await download('hf:maker/moving', { force: true })))).toBe(sha256(other))
    expect(JSON.parse(readFileSync(`${path}.json`, 'utf8'))).toMatchObject({ sha256sum: sha256(other) })
  })

  test('that is on the disk as another file is an error, and the file is left as it is', async () => {
    tests.hub.host('maker/moving', { 'a-Q8_0.gguf': bytes })
    const path = at('maker--moving--b-Q8_0.gguf')
    mkdirSync(at(), { recursive: true })
    writeFileSync(path, other)
    await expect(download('hf:maker/moving:Q8_0', { sha256sum: sha256(bytes) })).rejects.toMatchObject({
      code: 'ERR_CHECKSUM',
    })
    expect(readFileSync(path).equals(other)).toBe(true)
  })

  test('takes the checksum that the user expects, and no url or MD5', async () => {
    tests.hub.host('maker/Tiny-GGUF', { 'tiny-Q8_0.gguf': bytes })
    const wrong = await failureOf(download('hf:maker/Tiny-GGUF', { sha256sum: sha256(other) }))
    expect(wrong).toMatchObject({ name: 'DownloadError', code: 'ERR_CHECKSUM' })
    expect(asked(tests.hub.files)).toEqual([])
    for (const options of [{ url: 'https://hub.example/a.gguf' }, { md5sum: '0'.repeat(32) }])
      expect(await failureOf(download('hf:maker/Tiny-GGUF', options))).toMatchObject({ code: 'ERR_OPTION' })
    await download('hf:maker/Tiny-GGUF', { sha256sum: sha256(bytes) })
  })

  test.each(['bare', 'folders'] as const)(
    'is found on mirrors whose API is not complete: %s',
    async (api) => {
      tests.hub.host('maker/mirrored', { 'a-Q8_0.gguf': bytes, 'README.md': Buffer.from('#') }, { api })
      const path = await download('hf:maker/mirrored:Q8_0')
      expect(readFileSync(path)).toEqual(bytes)
      const { sha256sum, filesize } = JSON.parse(readFileSync(`${path}.json`, 'utf8'))
      expect({ sha256sum, filesize }).toEqual({ sha256sum: sha256(bytes), filesize: bytes.length })
    },
  )

  test('is found on a later page of a long list, which is on the same server', async () => {
    const sum = { oid: sha256(bytes), size: bytes.length }
    const page = (path: string, lfs = sum) => JSON.stringify([{ type: 'file', path, size: lfs.size, lfs }])
    const asked: string[] = []
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
      asked.push(request.url!)
      if (pathname.includes('/resolve/main/')) return response.end(bytes)
      if (!pathname.endsWith('/tree/main')) return response.writeHead(404).end()
      const at = searchParams.get('cursor') ?? '1'
      const next = at === '1' ? `${pathname}?recursive=true&cursor=2` : 'http://127.0.0.1:9/elsewhere'
      response.setHeader('link', `<${next}>; rel="next"`)
      return response.end(page(at === '1' ? 'a-Q4_0.gguf' : 'a-Q8_0.gguf'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const path = await download('hf:maker/long:Q8_0')
    expect(readFileSync(path)).toEqual(bytes)
    expect(asked.filter((url) => url.includes('/tree/'))).toHaveLength(2)
    server.close()
  })

  test('is no LoRA adapter', () => {
    const lora = [{ path: 'hf:maker/adapter', scale: 1 }]
    expect(() => new GPT4All(EMBEDDED, { lora })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option: 'lora[0].path' }),
    )
  })
})

describe('a split model', () => {
  const name = 'hf:maker/Big-GGUF:F16'
  const part = (number: number) => at(`maker--Big-GGUF--big--big-F16-0000${number}-of-00003.gguf`)

  test('is downloaded part by part, each verified, with progress over all', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT)
    const told: Progress[] = []
    expect(await download(name, { onProgress: (progress: Progress) => told.push(progress) })).toBe(part(1))
    expect(new Set(told.map(({ total }) => total))).toEqual(new Set([600_000]))
    expect(told.map(({ bytes }) => bytes)).toEqual(told.map(({ bytes }) => bytes).sort((a, b) => a - b))
    expect(told.at(-1)?.bytes).toBe(600_000)
    for (const [i, bytes] of PARTS.entries()) {
      expect(readFileSync(part(i + 1)).equals(bytes)).toBe(true)
      expect(existsSync(`${part(i + 1)}.json`)).toBe(true)
    }
    tests.hub.forget()
    expect(await download('hf:maker/Big-GGUF')).toBe(part(1))
    await GPT4All.verifyModel(name)
    expect(tests.hub.front.requests).toEqual([])
    writeFileSync(part(3), other)
    await expect(GPT4All.verifyModel(name)).rejects.toMatchObject({ code: 'ERR_CHECKSUM', path: part(3) })
    await expect(download(name)).rejects.toMatchObject({ code: 'ERR_CHECKSUM', path: part(3) })
  })

  test('whose download was interrupted goes on with the parts that are missing', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT)
    const controller = new AbortController()
    const onProgress = ({ bytes }: Progress) => bytes > 100_000 && controller.abort(new Error('enough'))
    await expect(download(name, { onProgress, signal: controller.signal })).rejects.toThrow()
    expect([existsSync(part(1)), existsSync(part(3))]).toEqual([true, false])
    const absent = await failureOf(GPT4All.retrieveModel(name, { allowDownload: false }))
    expect(absent).toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringMatching(/[12] of its 3 parts are there/),
    })
    tests.hub.forget()
    await GPT4All.retrieveModel(name, { logger })
    expect(asked(tests.hub.files).some((path) => path.includes('00001-of'))).toBe(false)
    expect(PARTS.every((bytes, i) => readFileSync(part(i + 1)).equals(bytes))).toBe(true)
  })

  test('whose parts are of two commits, as an update was interrupted, is not opened', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT)
    await download(name)
    const now = {
      ...SPLIT,
      [Object.keys(SPLIT)[0]!]: other,
      [Object.keys(SPLIT)[1]!]: fileBytes(11, 200_000),
    }
    tests.hub.host('maker/Big-GGUF', now)
    const controller = new AbortController()
    const onProgress = ({ bytes }: Progress) => bytes > 100_000 && controller.abort(new Error('enough'))
    await failureOf(download(name, { force: true, onProgress, signal: controller.signal }))
    expect(readFileSync(part(1)).equals(other)).toBe(true)
    expect(readFileSync(part(2)).equals(PARTS[1]!)).toBe(true)
    const mixed = await failureOf(GPT4All.retrieveModel(name, { allowDownload: false, logger }))
    expect(mixed).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
    expect(mixed.message).toContain('parts are of different commits')
    expect(await download(name)).toBe(part(1))
    const found = [1, 2, 3].map((number) => sha256(readFileSync(part(number))))
    expect(found).toEqual(Object.values(now).map(sha256))
    tests.hub.forget()
    expect(await download(name)).toBe(part(1)) // the part that has not changed is of the new commit, too
    expect(tests.hub.front.requests).toEqual([])
  })

  test('that has changed since its download was interrupted is downloaded as it is now', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT)
    await download(name)
    rmSync(part(2))
    const now = Object.fromEntries(Object.keys(SPLIT).map((path, i) => [path, fileBytes(10 + i, 60_000)]))
    tests.hub.host('maker/Big-GGUF', now)
    await download(name)
    const found = [1, 2, 3].map((number) => sha256(readFileSync(part(number))))
    expect(found).toEqual(Object.values(now).map(sha256))
  })

  test('of which the user has put a part there is verified, or that part is refused and left as it is', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT)
    mkdirSync(at(), { recursive: true })
    writeFileSync(part(1), PARTS[0]!)
    writeFileSync(part(2), PARTS[0]!)
    await expect(download(name)).rejects.toMatchObject({ code: 'ERR_CHECKSUM', path: part(2) })
    expect(readFileSync(part(2)).equals(PARTS[0]!)).toBe(true)
    expect([existsSync(`${part(1)}.json`), asked(tests.hub.files)]).toEqual([true, []])
    rmSync(part(2))
    await download(name)
    expect(asked(tests.hub.files)).toHaveLength(2)
    rmSync(part(2))
    writeFileSync(part(1), PARTS[0]!.subarray(1)) // though its entry says otherwise
    await expect(download(name)).rejects.toMatchObject({ code: 'ERR_CHECKSUM', path: part(1) })
  })

  test('that does not fit on the disk as a whole is refused before its first part is downloaded', async () => {
    tests.hub.host('maker/Big-GGUF', SPLIT, {
      listing: ({ siblings, ...rest }) => ({
        ...rest,
        siblings: siblings.map((file, i) =>
          i === 0 ? file : { ...file, size: 2 ** 51, lfs: { ...file.lfs, size: 2 ** 51 } },
        ),
      }),
    })
    await expect(download(name)).rejects.toMatchObject({ code: 'ERR_DISK_SPACE' })
    expect(asked(tests.hub.files)).toEqual([])
  })

  test('whose parts are not all listed is refused before anything is downloaded', async () => {
    const { 'big/big-F16-00002-of-00003.gguf': _, ...rest } = SPLIT
    tests.hub.host('maker/Big-GGUF', rest)
    const error = await failureOf(download(name))
    expect(error.message).toContain('does not list all of the 3 parts')
    expect(asked(tests.hub.files)).toEqual([])
  })
})
