import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { home, run } from '../support/cli.ts'
import { EMBEDDED } from '../support/models.ts'
import { NO_FILES } from '../support/no-files.ts'

const FLAGS = ['--n-threads', '1', '--n-ctx', '256']

describe.skipIf(process.platform === 'win32')('a path of the command line that is not a regular file', () => {
  test('is not listed among the models of a folder, and does not open as a model', async () => {
    const folder = join(home, 'doors')
    mkdirSync(folder)
    copyFileSync(EMBEDDED, join(folder, 'fine.gguf'))
    const kinds = Object.values(NO_FILES)
    for (const [i, { place }] of kinds.entries()) await place(join(folder, `no-${i}.gguf`))
    const { stdout } = await run(['models', 'list', '--local', '--json', '--model-path', folder])
    const listed = (JSON.parse(stdout) as { local: { name: string; problem?: string }[] }).local
    expect(listed.filter(({ problem }) => problem === undefined).map(({ name }) => name)).toContain(
      'fine.gguf',
    )
    const piped = kinds.indexOf(NO_FILES['a named pipe']!)
    expect(listed.map(({ name }) => name)).not.toContain(`no-${piped}.gguf`)
    const pipe = join(folder, `no-${piped}.gguf`)
    for (const command of [
      ['models', 'info', pipe],
      ['models', 'verify', pipe, '--md5sum', 'ab'.repeat(16)],
    ])
      expect(await run(command)).toMatchObject({ code: 3, stderr: expect.stringContaining('a named pipe') })
    expect(await run(['doctor', '-m', pipe])).toMatchObject({ code: 1 })
  })

  test.each(['a named pipe', 'a device without end', 'a folder'])(
    'is refused as a conversation, and ignored as the remembered state: %s',
    async (kind) => {
      const folder = join(home, `doors of ${kind}`)
      mkdirSync(join(folder, 'gpt4all-ts'), { recursive: true })
      const conversation = join(folder, 'talk.json')
      await NO_FILES[kind]?.place(conversation)
      await NO_FILES[kind]?.place(join(folder, 'gpt4all-ts', 'cli.json'))
      const env = { XDG_STATE_HOME: folder }
      const loading = await run(['chat', '-m', EMBEDDED, ...FLAGS, '--load', conversation], '', env)
      expect(loading).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/talk\.json is a .*, not a file/),
      })
      const commands = `/load ${conversation}\n/save ${conversation}\n/save ${folder}/fine.json\n/exit\n`
      const { code, stderr } = await run(['chat', '-m', EMBEDDED, ...FLAGS], commands, env)
      expect(code).toBe(0)
      expect(stderr).toContain('not a file')
      expect(stderr).toContain('fine.json')
    },
  )

  test('is replaced, and not written through, if it is a link', async () => {
    const folder = join(home, 'links')
    mkdirSync(join(folder, 'gpt4all-ts'), { recursive: true })
    const victim = join(folder, 'victim')
    writeFileSync(victim, 'mine')
    symlinkSync(victim, join(folder, 'gpt4all-ts', 'cli.json'))
    linkSync(victim, join(folder, 'talk.json'))
    const env = { XDG_STATE_HOME: folder }
    await run(['chat', '-m', EMBEDDED, ...FLAGS], `/save ${folder}/talk.json\n/exit\n`, env)
    expect(readFileSync(victim, 'utf8')).toBe('mine')
    expect(JSON.parse(readFileSync(join(folder, 'talk.json'), 'utf8'))).toMatchObject({ messages: [] })
    expect(JSON.parse(readFileSync(join(folder, 'gpt4all-ts', 'cli.json'), 'utf8'))).toMatchObject({
      model: EMBEDDED,
    })
  })
})

describe.skipIf(process.platform === 'win32')('gpt4all-ts doctor -m', () => {
  test('reports what may happen to the file of the model', async () => {
    const path = join(home, 'risky.gguf')
    copyFileSync(EMBEDDED, path)
    chmodSync(path, 0o666)
    const { code, stdout } = await run(['doctor', '-m', path])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^no +model file +any user can write to it; .*renaming/m)
    chmodSync(path, 0o644)
    const again = await run(['doctor', '-m', path])
    expect(again.code).toBe(0)
    expect(again.stdout).toMatch(/^ok +model file /m)
  })
})
