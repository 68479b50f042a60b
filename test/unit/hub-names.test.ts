import { describe, expect, test } from 'vitest'
import { fitting, labelOf, modelsIn, quantOf } from '../../src/models/hub/choose.ts'
import { parseListing } from '../../src/models/hub/listing.ts'
import { isHubName, localName, parseHubName, titleOf } from '../../src/models/hub/name.ts'
import { locateModel } from '../../src/models/locate.ts'
import { wrongWithName } from '../../src/models/names.ts'

const parsed = (name: string) => parseHubName(name, 'name')
const optionError = expect.objectContaining({ code: 'ERR_OPTION', option: 'name' })

describe('a name of Hugging Face', () => {
  test.each([
    ['hf:owner/repo', 'owner/repo', undefined, undefined, undefined],
    ['HF:owner/repo:Q4_K_M', 'owner/repo', undefined, 'Q4_K_M', undefined],
    ['hf:an-owner/A.repo_1-GGUF:UD-Q4_K_XL', 'an-owner/A.repo_1-GGUF', undefined, 'UD-Q4_K_XL', undefined],
    ['hf:owner/repo:a.Q4_0.gguf', 'owner/repo', undefined, undefined, 'a.Q4_0.gguf'],
    ['hf:owner/repo:below/a.gguf', 'owner/repo', undefined, undefined, 'below/a.gguf'],
    ['hf:owner/repo/below/a.gguf', 'owner/repo', undefined, undefined, 'below/a.gguf'],
    ['hf:owner/repo@v1.0:Q8_0', 'owner/repo', 'v1.0', 'Q8_0', undefined],
    ['hf:owner/repo@v1.0/a.gguf', 'owner/repo', 'v1.0', undefined, 'a.gguf'],
  ])('%s is read', (name, repository, revision, quant, file) => {
    expect(isHubName(name)).toBe(true)
    const isPath = file !== undefined && name.endsWith(`/${file}`) && !name.endsWith(`:${file}`)
    expect(parsed(name)).toEqual({ name, repository, revision, quant, file, isPath })
  })

  test.each([
    'hf:',
    'hf:owner',
    'hf:owner/',
    'hf:/repo',
    'hf:owner/repo/',
    'hf:owner/repo:',
    'hf:owner/repo@',
    'hf:owner/repo/folder',
    'hf:owner/repo:a b',
    'hf:owner/repo:.*',
    'hf:owner/repo:a/b',
    'hf:../repo',
    'hf:owner/..',
    'hf:ow--ner/repo',
    'hf:owner/re..po',
    'hf:-owner/repo',
    'hf:owner/repo@refs/pr/1',
    'hf:owner/repo@a--b',
    'hf:owner/repo?x',
    'hf:owner/repo#x',
    'hf:owner/%2e%2e',
    'hf:owner/repo/../a.gguf',
    'hf:owner/repo/a//b.gguf',
    'hf:owner/repo/con/a.gguf',
    'hf:owner/repo/a:b.gguf',
    'hf:owner/repo/a\\b.gguf',
    'hf:owner/repo/.gguf/..gguf/\u202egguf.gguf',
    `hf:owner/repo/${'x'.repeat(240)}.gguf`,
  ])('%s is refused', (name) => {
    expect(() => parsed(name)).toThrow(optionError)
    expect(() => locateModel(name, undefined)).toThrow(optionError)
  })

  test('gives each file a name that is valid on every system, and that no other repository gives', () => {
    const names = [
      ['hf:a/b', 'c.gguf'],
      ['hf:a/b-c', 'c.gguf'],
      ['hf:a-b/c', 'c.gguf'],
      ['hf:a_b/c', 'c.gguf'],
      ['hf:a/b_c', 'c.gguf'],
      ['hf:a/b@c', 'c.gguf'],
      ['hf:con/nul', 'con.gguf'],
      ['hf:a/b', 'c/c.gguf'],
    ].map(([name, path]) => localName(parsed(name!), path!))
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(wrongWithName(name)).toBeUndefined()
    expect(names[0]).toBe('a--b--c.gguf')
  })

  test('is shown in a short form', () => {
    const titles = ['hf:owner/repo', 'hf:owner/repo:Q4_0', 'hf:owner/repo/below/a.gguf'].map((name) =>
      titleOf(parsed(name)),
    )
    expect(titles).toEqual(['repo', 'repo:Q4_0', 'a.gguf'])
  })

  test('is no URL, and no name with a colon in it', () => {
    for (const name of ['model.gguf:hidden', './hf:owner/repo', 'xhf:owner/repo'])
      expect(isHubName(name)).toBe(false)
    expect(() => locateModel('hf://owner/repo', undefined)).toThrow(/downloadModel/)
  })
})

describe('which file a name means', () => {
  const FILES = [
    'README.gguf.md',
    'Llama-3-IQ4_XS.gguf',
    'Llama-3-Q4_0.gguf',
    'Llama-3-Q4_K_M.gguf',
    'Llama-3-Q8_0.gguf',
    'BF16/Llama-3-BF16-00001-of-00002.gguf',
    'BF16/Llama-3-BF16-00002-of-00002.gguf',
    'mmproj-Llama-3-f16.gguf',
    'mmproj-Llama-3-Q4_K_M.gguf',
  ]
  const meant = (
    wanted: { quant?: string; file?: string; isPath?: boolean },
    files: readonly string[] = FILES,
  ) => {
    const models = modelsIn(files.filter((path) => path.endsWith('.gguf')).map((path) => ({ path })))
    return fitting(models, { quant: undefined, file: undefined, isPath: false, ...wanted }).map(({ files }) =>
      files.map(({ path }) => path).join(' '),
    )
  }

  test('is the one with that quantization in its name, in any letter case', () => {
    for (const quant of ['Q4_0', 'q4_0']) expect(meant({ quant })).toEqual(['Llama-3-Q4_0.gguf'])
    expect(meant({ quant: 'IQ4_XS' })).toEqual(['Llama-3-IQ4_XS.gguf'])
    expect(meant({ quant: 'Q4_K_M' })).toEqual(['Llama-3-Q4_K_M.gguf'])
  })

  test('is none that only has it as a part of a word', () => {
    for (const quant of ['Q4_XS', 'Q4_K', 'Q4', '4_0', 'Q6_K', 'F16']) expect(meant({ quant })).toEqual([])
  })

  test('has it at its end, or else anywhere', () => {
    const inside = ['a.Q4_0.imat.gguf', 'Q5_0/a.gguf']
    expect(meant({ quant: 'Q4_0' }, inside)).toEqual(['a.Q4_0.imat.gguf'])
    expect(meant({ quant: 'Q5_0' }, inside)).toEqual(['Q5_0/a.gguf'])
    expect(meant({ quant: 'Q4_0' }, ['a.Q4_0.gguf', ...inside])).toEqual(['a.Q4_0.gguf'])
    expect(meant({ quant: 'q8_0' }, ['model_q8_0.gguf'])).toEqual(['model_q8_0.gguf'])
  })

  test('are all parts of a split model, in their order', () => {
    const both = 'BF16/Llama-3-BF16-00001-of-00002.gguf BF16/Llama-3-BF16-00002-of-00002.gguf'
    expect(meant({ quant: 'bf16' }, [...FILES].reverse())).toEqual([both])
    expect(meant({ file: 'Llama-3-BF16-00002-of-00002.gguf' })).toEqual([both])
  })

  test('is Q4_K_M where the name says nothing, else Q8_0, else the first', () => {
    expect(meant({})).toEqual(['Llama-3-Q4_K_M.gguf'])
    expect(meant({}, ['a-F16.gguf', 'a-Q8_0.gguf'])).toEqual(['a-Q8_0.gguf'])
    expect(meant({}, ['mmproj.gguf', 'b.gguf', 'a.gguf'])).toEqual(['a.gguf'])
    expect(meant({}, ['mmproj.gguf'])).toEqual([])
  })

  test('is the one of that path, or of that name in a folder', () => {
    expect(meant({ file: 'mmproj-Llama-3-f16.gguf' })).toEqual(['mmproj-Llama-3-f16.gguf'])
    expect(meant({ file: 'a.gguf' }, ['x/a.gguf', 'a.gguf'])).toEqual(['a.gguf'])
    expect(meant({ file: 'a.gguf' }, ['x/a.gguf', 'y/a.gguf'])).toEqual(['x/a.gguf', 'y/a.gguf'])
    expect(meant({ file: 'y/a.gguf' }, ['x/a.gguf', 'y/a.gguf'])).toEqual(['y/a.gguf'])
    expect(meant({ file: 'absent.gguf' })).toEqual([])
    expect(meant({ file: 'a.gguf', isPath: true }, ['x/a.gguf'])).toEqual([])
  })

  test('is the same where folders have become a part of the name on the disk', () => {
    const onDisk = FILES.map((path) => path.replaceAll('/', '--'))
    for (const quant of ['BF16', 'Q4_0', 'absent'])
      expect(meant({ quant }, onDisk)).toEqual(meant({ quant }).map((one) => one.replaceAll('/', '--')))
    expect(meant({ file: 'BF16/Llama-3-BF16-00001-of-00002.gguf' }, onDisk)).toHaveLength(1)
  })

  test('is told by its quantization if that is enough', () => {
    const models = modelsIn(['a-Q4_0.gguf', 'b-Q8_0.gguf', 'c-Q8_0.gguf', 'd.gguf'].map((path) => ({ path })))
    const labels = models.map((model) => labelOf(model, models))
    expect(labels).toEqual(['Q4_0', 'b-Q8_0.gguf', 'c-Q8_0.gguf', 'd.gguf'])
    expect(quantOf('Qwen3-30B-A3B-UD-Q4_K_XL')).toBe('UD-Q4_K_XL')
    expect(['a-7B', 'a-instruct', 'Q4_0x-7b'].map(quantOf)).toEqual([undefined, undefined, undefined])
  })
})

describe('the list of a repository', () => {
  const hub = parsed('hf:owner/repo')
  const sha = 'a'.repeat(40)
  const sum = 'B'.repeat(64)
  const listing = (...siblings: unknown[]) =>
    parseListing(Buffer.from(JSON.stringify({ sha, siblings })), hub, 'https://hub.example/list')
  const refused = (json: string) => () => parseListing(Buffer.from(json), hub, 'https://hub.example/list')

  test('gives the GGUF files with size and SHA-256', () => {
    const file = { rfilename: 'below/a.gguf', size: 5, lfs: { sha256: sum, size: 5 } }
    expect(listing(file, { rfilename: 'README.md', size: 1 }, null, 7, { rfilename: 7 })).toEqual({
      commit: sha,
      files: [{ path: 'below/a.gguf', size: 5, sha256: sum.toLowerCase() }],
      unusable: 0,
    })
  })

  test('gives no size and no SHA-256 that are none, or that contradict each other', () => {
    const sizes = [-1, 0, 1.5, '5', null, 1e300].map((size) => ({ size, lfs: { sha256: 'c'.repeat(63) } }))
    const both = { size: 5, lfs: { sha256: { toString: 'x' }, size: 6 } }
    for (const one of [...sizes, both, { lfs: [] }, {}])
      expect(listing({ rfilename: 'a.gguf', ...one }).files).toEqual([
        { path: 'a.gguf', size: undefined, sha256: undefined },
      ])
  })

  test('leaves out names that are not valid on every system, and counts them', () => {
    const names = [
      '../x.gguf',
      '/x.gguf',
      'a/../../x.gguf',
      'nul.gguf',
      'a\\b.gguf',
      'a\u0000.gguf',
      'a:b.gguf',
    ]
    expect(listing(...names.map((rfilename) => ({ rfilename })))).toMatchObject({ files: [], unusable: 7 })
  })

  const siblings = (...names: string[]) => names.map((rfilename) => ({ rfilename }))

  test.each([
    ['no JSON', 'it is not valid JSON', '<html>'],
    ['JSON that is cut off', 'it is not valid JSON at position', '{"sha":"a"'],
    ['an array', 'it names no commit', '[]'],
    ['null', 'it names no commit', 'null'],
    ['no commit', 'it names no commit', JSON.stringify({ siblings: [] })],
    ['a commit that leads elsewhere', 'it names no commit', JSON.stringify({ sha: '../../x', siblings: [] })],
    ['a longer commit', 'it names no commit', JSON.stringify({ sha: `${sha}0`, siblings: [] })],
    ['a commit in a list', 'it names no commit', JSON.stringify({ sha: [sha], siblings: [] })],
    ['no files', 'it has no files', JSON.stringify({ sha })],
    ['nesting without end', 'it has more than 32 nested arrays and objects', '['.repeat(100_000)],
    ['a file twice', 'it has a.gguf twice', JSON.stringify({ sha, siblings: siblings('a.gguf', 'a.gguf') })],
    [
      'a name in two letter cases',
      'it has A.gguf twice',
      JSON.stringify({ sha, siblings: siblings('a.gguf', 'A.gguf') }),
    ],
  ])('is refused with %s', (_, why, json) => {
    const message = expect.stringContaining(`is not a list of the files of owner/repo: ${why}`)
    expect(refused(json)).toThrow(expect.objectContaining({ code: 'ERR_DOWNLOAD', message }))
  })
})
