import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { OLD_FILES, oldFile } from '../support/old-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-local-'))
const at = (name: string) => join(folder, name)
const { size } = statSync(EMBEDDED)

beforeAll(() => {
  for (const name of ['b.gguf', 'big.gguf', 'big-00002-of-00002.gguf', 'big-00001-of-00002.gguf'])
    copyFileSync(EMBEDDED, at(name))
  mkdirSync(at('below.gguf'))
  writeFileSync(at('a.gguf'), 'no model')
  writeFileSync(at('b.gguf.json'), '{}')
  writeFileSync(at('notes.txt'), 'no model')
  writeFileSync(at('firmware.bin'), 'no model either')
  writeFileSync(at('old.bin'), oldFile(OLD_FILES[0]!))
  copyFileSync(EMBEDDED, at('lone-00003-of-00004.gguf'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('localModels()', () => {
  test('lists and describes the models of a folder by name, a split model once', async () => {
    const models = await GPT4All.localModels(folder)
    expect(models.map(({ name, filename }) => [name, filename])).toEqual([
      ['a', 'a.gguf'],
      ['b', 'b.gguf'],
      ['big', 'big-00001-of-00002.gguf'],
      ['big', 'big.gguf'],
      ['firmware', 'firmware.bin'],
      ['lone', 'lone-00003-of-00004.gguf'],
      ['old', 'old.bin'],
    ])
    const [, whole, split] = models
    expect(whole).toEqual({
      name: 'b',
      filename: 'b.gguf',
      path: at('b.gguf'),
      files: [at('b.gguf')],
      filesize: size,
      modified: statSync(at('b.gguf')).mtime,
      description: await GPT4All.describeModel(at('b.gguf')),
      problem: undefined,
    })
    expect(split).toMatchObject({
      files: [at('big-00001-of-00002.gguf'), at('big-00002-of-00002.gguf')],
      filesize: 2 * size,
    })
  })

  test('lists damaged files too, with the reason why they cannot be used', async () => {
    const models = await GPT4All.localModels(folder)
    const problems = models.flatMap(({ filename, problem }) => (problem ? [[filename, problem.code]] : []))
    expect(problems).toEqual([
      ['a.gguf', 'ERR_NOT_GGUF'],
      ['firmware.bin', 'ERR_NOT_GGUF'],
      ['lone-00003-of-00004.gguf', 'ERR_MODEL_NOT_FOUND'],
    ])
    expect(models.filter(({ description }) => !description).map(({ filename }) => filename)).toEqual([
      'a.gguf',
      'firmware.bin',
      'lone-00003-of-00004.gguf',
      'old.bin',
    ])
  })

  test('opens no file with describe: false', async () => {
    const models = await GPT4All.localModels(folder, { describe: false })
    expect(models[0]).toMatchObject({ filename: 'a.gguf', description: undefined, problem: undefined })
    expect(models.flatMap(({ problem }) => problem?.message ?? [])).toEqual([
      expect.stringMatching(/lone-00003-of-00004\.gguf is a part .* whose first part is missing/),
    ])
  })

  test('lists ~/.cache/gpt4all by default, and nothing if the folder does not exist', async () => {
    vi.stubEnv('HOME', folder)
    vi.stubEnv('USERPROFILE', folder)
    try {
      expect(await GPT4All.localModels()).toEqual([])
      mkdirSync(at('.cache/gpt4all'), { recursive: true })
      copyFileSync(EMBEDDED, at('.cache/gpt4all/mine.gguf'))
      expect(await GPT4All.localModels()).toMatchObject([{ name: 'mine' }])
      expect(await GPT4All.localModels('~/.cache/gpt4all')).toMatchObject([{ name: 'mine' }])
    } finally {
      vi.unstubAllEnvs()
    }
    expect(await GPT4All.localModels(at('nowhere'))).toEqual([])
    await expect(GPT4All.localModels(at('notes.txt'))).rejects.toMatchObject({
      code: 'ERR_MODEL_UNREADABLE',
      path: at('notes.txt'),
    })
  })

  test.skipIf(process.platform === 'win32')(
    'does not wait for named pipes, and follows links to files',
    async () => {
      const odd = at('odd')
      mkdirSync(odd)
      execFileSync('mkfifo', [join(odd, 'pipe.gguf')])
      symlinkSync(join(odd, 'nowhere'), join(odd, 'broken.gguf'))
      symlinkSync(at('b.gguf'), join(odd, 'link.gguf'))
      expect(await GPT4All.localModels(odd)).toMatchObject([{ name: 'link', filesize: size }])
      const meant = (name: string) => GPT4All.describeModel(name, { modelPath: odd })
      await expect(meant('lnk')).rejects.toThrow('Did you mean "link.gguf"?')
      await expect(meant('pipes')).rejects.not.toThrow('Did you mean')
    },
  )

  test('refuses unknown options, and rejects when it is aborted', async () => {
    const wrong = (option: string) => ({ code: 'ERR_OPTION', option })
    await expect(GPT4All.localModels('')).rejects.toMatchObject(wrong('folder'))
    await expect(GPT4All.localModels('a\0')).rejects.toMatchObject(wrong('folder'))
    await expect(GPT4All.localModels(folder, { typo: 1 } as object)).rejects.toMatchObject(wrong('typo'))
    const reason = new Error('enough')
    await expect(GPT4All.localModels(folder, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})
