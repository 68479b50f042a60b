import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

// What was vetted is remembered in the home folder: an empty one, so that every template is tried.
const home = mkdtempSync(join(tmpdir(), 'gpt4all-home-'))
const model = new GPT4All(EMBEDDED, { nThreads: 1 })
beforeAll(() => {
  vi.stubEnv('HOME', home)
  vi.stubEnv('USERPROFILE', home)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await model.close()
  rmSync(home, { recursive: true, force: true })
})

const render = (chatTemplate: string) =>
  model.renderPrompt([{ role: 'user', content: 'Hi' }], { chatTemplate })
const remembered = () => readdirSync(join(home, '.cache/gpt4all-ts/templates')).length

describe('a chat template that is not known', () => {
  test('is tried in a child process, once, and remembered', async () => {
    const template = '{{ messages[0].content }} once'
    expect(await Promise.all([render(template), render(template)])).toEqual(['Hi once', 'Hi once'])
    expect(remembered()).toBe(1)
    expect(await render(template)).toBe('Hi once')
    expect(remembered()).toBe(1)
  })

  test.each([
    [
      'never ends',
      '{% for i in range(1000000000) %}{% for j in range(1000000000) %}{% endfor %}{% endfor %}',
      /more than 2 s|more than 512 MiB/,
    ],
    [
      'takes all memory',
      "{% set ns = namespace(x='0123456789') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
      /more than 512 MiB|more than 2 s/,
    ],
    ['calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /crashes the engine/],
  ])('that %s is a TemplateError, and the process lives', async (_, template, reason) => {
    const before = remembered()
    await expect(render(template)).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      message: expect.stringMatching(reason),
    })
    expect(remembered()).toBe(before)
    expect(await render('{{ messages[0].content }} lives')).toBe('Hi lives')
  })

  test('are tried one after the other, however many there are', async () => {
    const templates = Array.from({ length: 6 }, (_, i) => `{{ messages[0].content }} ${i}`)
    expect(await Promise.all(templates.map(render))).toEqual(templates.map((_, i) => `Hi ${i}`))
  })

  test.each(['', '/proc/nothing', 'relative'])(
    'is used, and not remembered, with %j as the home folder',
    async (folder) => {
      vi.stubEnv('HOME', folder)
      vi.stubEnv('USERPROFILE', folder)
      expect(await render(`{{ messages[0].content }} at "${folder}"`)).toBe(`Hi at "${folder}"`)
      vi.stubEnv('HOME', home)
      vi.stubEnv('USERPROFILE', home)
    },
  )

  test('that holds a NUL is refused', async () => {
    await expect(render('a\0{{ messages[0].content }}')).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
  })

  test('that is broken, or raises, tells its line', async () => {
    await expect(render('one\n{% if %}')).rejects.toMatchObject({ code: 'ERR_TEMPLATE', line: 2 })
    await expect(render("\n\n{{ raise_exception('no system') }}")).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      line: 3,
      message: expect.stringContaining('no system'),
    })
  })
})
