import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { fileBytes } from '../support/hostile-server.ts'
import { type RepositoryListing, sha256 } from '../support/hub-server.ts'
import { asked, failureOf, withHub } from '../support/hub-tests.ts'
import { EMBEDDED } from '../support/models.ts'

const TOKEN = 'hf_openSesame'
const bytes = readFileSync(EMBEDDED)
const other = fileBytes(1, 50_000)
const SPLIT = Object.fromEntries(
  [1, 2, 3].map((part) => [`b/b-F16-0000${part}-of-00003.gguf`, fileBytes(part, 200_000)]),
)

const tests = withHub()
const { at, download, logger, lines } = tests
const load = { nThreads: 1, nCtx: 256, tryFirst: false, logger }

function expectNoSecret(...things: unknown[]) {
  const told = inspect([...things, lines], { depth: 12, showHidden: true, maxStringLength: null })
  expect(told).not.toContain('openSesame')
}

describe('the token', () => {
  const files = { 'a-Q8_0.gguf': bytes }

  test('goes to the endpoint alone, and is nowhere else', async () => {
    tests.hub.host('maker/private', files, { token: TOKEN, faults: { file: ['reset at 50 %'] } })
    vi.stubEnv('HF_TOKEN', `${TOKEN}\n`)
    const path = await download('hf:maker/private')
    expect(tests.hub.front.requests.map(({ authorization }) => authorization)).toEqual(
      tests.hub.front.requests.map(() => `Bearer ${TOKEN}`),
    )
    expect(tests.hub.files.requests.map(({ authorization }) => authorization)).toEqual([undefined, undefined])
    expectNoSecret(readFileSync(`${path}.json`, 'utf8'), readdirSync(at()))
  })

  test('comes from the other variable, or the files that the programs of Hugging Face write', async () => {
    tests.hub.host('maker/private', files, { token: TOKEN })
    const stored = (...names: string[]) => {
      const path = join(tests.home, ...names)
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, `${TOKEN}\n`)
      return path
    }
    vi.stubEnv('HUGGING_FACE_HUB_TOKEN', TOKEN)
    await download('hf:maker/private', { modelPath: join(tests.home, '1') })
    vi.stubEnv('HUGGING_FACE_HUB_TOKEN', '')
    vi.stubEnv('HF_TOKEN_PATH', stored('elsewhere'))
    await download('hf:maker/private', { modelPath: join(tests.home, '2') })
    vi.stubEnv('HF_TOKEN_PATH', '')
    vi.stubEnv('HF_HOME', join(stored('home', 'token'), '..'))
    await download('hf:maker/private', { modelPath: join(tests.home, '3') })
    vi.stubEnv('HF_HOME', '')
    stored('.cache', 'huggingface', 'token')
    await download('hf:maker/private', { modelPath: join(tests.home, '4') })
  })

  test('that is missing or wrong is what the error speaks of', async () => {
    tests.hub.host('maker/private', files, { token: TOKEN })
    const missing = await failureOf(download('hf:maker/private'))
    expect(missing).toMatchObject({ name: 'DownloadError', code: 'ERR_DOWNLOAD', status: 401 })
    expect(missing.message).toContain('Set HF_TOKEN')
    vi.stubEnv('HF_TOKEN', 'hf_openSesameNot')
    const wrong = await failureOf(download('hf:maker/private'))
    expect(wrong.message).toContain('The token that is set may not read it')
    tests.hub.host('maker/gated', files, { token: TOKEN, isGated: true })
    const gated = await failureOf(download('hf:maker/gated'))
    expect(gated).toMatchObject({
      status: 401,
      message: expect.stringContaining('its terms are not accepted'),
    })
    vi.stubEnv('HF_TOKEN', 'hf_openSesame\nx-other: y')
    const garbage = await failureOf(download('hf:maker/private'))
    expect(garbage).toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining('HF_TOKEN') })
    expectNoSecret(missing, wrong, gated, garbage)
    expect(existsSync(at('maker--private--a-Q8_0.gguf'))).toBe(false)
  })

  test('without which a repository is hidden may be why there is none', async () => {
    const none = await failureOf(download('hf:maker/absent'))
    expect(none).toMatchObject({ name: 'ModelError', code: 'ERR_MODEL_NOT_FOUND' })
    expect(none.message).toMatch(/^There is no repository maker\/absent on 127\.0\.0\.1:\d+\.$/)
    vi.stubEnv('HF_TOKEN', TOKEN)
    const hidden = await failureOf(download('hf:maker/absent'))
    expect(hidden.message).toMatch(/, or the token may not read it\.$/)
    const refusal = { status: 403 }
    tests.hub.front.host('api/models/maker/gated/revision/main', { bytes, faults: [], refusal })
    expect((await failureOf(download('hf:maker/gated'))).message).toContain(
      'answers with status 403: maker/gated',
    )
  })
})

describe('HF_ENDPOINT', () => {
  test('may have no scheme, a path, and a slash at its end', async () => {
    tests.hub.host('mirror/of/maker/Tiny-GGUF', {})
    const path = tests.hub.front.host('mirror', { bytes, faults: [] })
    const list = {
      sha: 'a'.repeat(40),
      siblings: [{ rfilename: 'a.gguf', size: bytes.length, lfs: { sha256: sha256(bytes) } }],
    }
    const listing = { bytes: Buffer.from(JSON.stringify(list)), faults: [] }
    tests.hub.front.host('mirror/api/models/maker/Tiny-GGUF/revision/main', listing)
    tests.hub.front.host(`mirror/maker/Tiny-GGUF/resolve/${'a'.repeat(40)}/a.gguf`, { bytes, faults: [] })
    for (const [i, endpoint] of [path, `${path}/`, `${path}?query#hash`].entries()) {
      vi.stubEnv('HF_ENDPOINT', endpoint)
      await download('hf:maker/Tiny-GGUF', { modelPath: join(tests.home, String(i)) })
    }
    vi.stubEnv('HF_ENDPOINT', '127.0.0.1:9/')
    const error = await failureOf(download('hf:maker/Tiny-GGUF', { signal: AbortSignal.timeout(20_000) }))
    expect(error.message).toContain('127.0.0.1:9')
  })

  test('that is not a URL is a typed error that names it', async () => {
    for (const nonsense of ['ftp://127.0.0.1', 'https://', 'a b']) {
      vi.stubEnv('HF_ENDPOINT', nonsense)
      const error = await failureOf(download('hf:maker/Tiny-GGUF'))
      expect(error).toMatchObject({ code: 'ERR_DOWNLOAD', message: expect.stringContaining('HF_ENDPOINT') })
    }
  })
})

describe('a repository', () => {
  test.each<[string, object]>([
    ['no SHA-256', { size: bytes.length, lfs: { size: bytes.length } }],
    ['no size', { size: undefined, lfs: { sha256: sha256(bytes) } }],
    ['two sizes', { size: bytes.length + 1, lfs: { size: bytes.length, sha256: sha256(bytes) } }],
  ])('that lists %s of a file is refused: it could not be verified', async (_, file) => {
    const listing = (honest: RepositoryListing) => ({
      ...honest,
      siblings: honest.siblings.map((one) => ({ ...one, ...file })),
    })
    tests.hub.host('maker/bare', { 'a-Q8_0.gguf': bytes }, { listing })
    const error = await failureOf(download('hf:maker/bare'))
    expect(error).toMatchObject({
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining('could not be verified'),
    })
    expect(asked(tests.hub.files)).toEqual([])
  })

  test('that was renamed is found by its old name, with the token', async () => {
    tests.hub.host('maker/new', { 'a-Q8_0.gguf': bytes }, { token: TOKEN })
    tests.hub.host('maker/old', { 'a-Q8_0.gguf': bytes }, { token: TOKEN })
    const location = '/api/models/maker/new/revision/main'
    tests.hub.front.host('api/models/maker/old/revision/main', { bytes, faults: [], location, bearer: TOKEN })
    vi.stubEnv('HF_TOKEN', TOKEN)
    expect(await download('hf:maker/old')).toBe(at('maker--old--a-Q8_0.gguf'))
  })

  test('whose files are refused where they are does not blame the token', async () => {
    tests.hub.host('maker/elsewhere', { 'a-Q8_0.gguf': bytes }, { faults: { file: ['401'] } })
    const error = await failureOf(download('hf:maker/elsewhere'))
    expect(error).toMatchObject({ status: 401, message: expect.not.stringContaining('HF_TOKEN') })
    tests.hub.host('maker/gone', { 'a-Q8_0.gguf': bytes }, { faults: { way: ['404'] } })
    const gone = await failureOf(download('hf:maker/gone'))
    expect(gone).toMatchObject({ status: 404, message: expect.not.stringContaining('HF_TOKEN') })
  })
})

describe('the error', () => {
  test('for a revision that does not exist says so', async () => {
    const headers = { 'x-error-code': 'RevisionNotFound' }
    const refusal = { status: 404, headers }
    tests.hub.front.host('api/models/maker/a/revision/v9', { bytes, faults: [], refusal })
    expect((await failureOf(download('hf:maker/a@v9'))).message).toContain('has no revision "v9"')
  })

  test('for a repository without GGUF files says where they may be', async () => {
    tests.hub.host('maker/plain', { 'model.safetensors': other, 'README.md': other })
    const error = await failureOf(download('hf:maker/plain'))
    expect(error).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
    expect(error.message).toContain('has no GGUF files; look for a repository with "GGUF" in its name')
  })

  test('for another quantization lists those that there are, with their sizes', async () => {
    tests.hub.host('maker/some', { 'a-Q4_0.gguf': bytes, ...SPLIT })
    const error = await failureOf(download('hf:maker/some:Q6_K'))
    expect(error).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' })
    expect(error.message).toMatch(/does not have Q6_K\. It has Q4_0 \(\d+ MiB\), F16 \(1 MiB\)/)
  })

  test('for a repository of many files lists twenty', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i + 10}.gguf`, other] as const))
    tests.hub.host('maker/many', many(23))
    expect((await failureOf(download('hf:maker/many:Q4_0'))).message).toMatch(
      /a29\.gguf \(1 MiB\) and 3 more\.$/,
    )
    tests.hub.host('maker/many', many(20))
    expect((await failureOf(download('hf:maker/many:Q4_0'))).message).toMatch(/a29\.gguf \(1 MiB\)\.$/)
  })

  test('for a name that is good for several files lists them', async () => {
    const files = { 'a-Q4_0.gguf': bytes, 'b-Q4_0.gguf': other }
    tests.hub.host('maker/both', files)
    const error = await failureOf(download('hf:maker/both:Q4_0'))
    expect(error).toMatchObject({ name: 'ModelError', code: 'ERR_MODEL_NOT_FOUND' })
    expect(error.message).toMatch(/good for several models in .*: a-Q4_0\.gguf .*, b-Q4_0\.gguf/)
    for (const file of Object.keys(files)) await download(`hf:maker/both:${file}`)
    expect(
      await failureOf(GPT4All.retrieveModel('hf:maker/both:q4_0', { allowDownload: false })),
    ).toMatchObject({
      message: expect.stringContaining('good for several models'),
    })
  })

  test('for a model that is not on the disk has its name, and no network is used', async () => {
    const calls = [
      () => GPT4All.load('hf:maker/x:Q4_0', { ...load, allowDownload: false }),
      () => GPT4All.describeModel('hf:maker/x:Q4_0'),
      () => GPT4All.estimateMemory('hf:maker/x:Q4_0'),
      () => GPT4All.verifyModel('hf:maker/x:Q4_0'),
    ]
    for (const call of calls) {
      const error = await failureOf(call())
      expect(error).toMatchObject({ name: 'ModelError', code: 'ERR_MODEL_NOT_FOUND' })
      expect(error.message).toContain(`hf:maker/x:Q4_0 is not in ${at()}.`)
    }
    expect(tests.hub.front.requests).toEqual([])
  })
})
