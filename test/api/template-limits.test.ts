import { setImmediate as setTurn } from 'node:timers'
import { setImmediate } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'

const model = new GPT4All(EMBEDDED, { nThreads: 1 })
afterAll(() => model.close())

const render = (chatTemplate: string, content = 'Hi') =>
  model.renderPrompt([{ role: 'user', content }], { chatTemplate })

test.each([
  ['never ends', '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}', /steps/],
  [
    'takes all memory',
    "{% set ns = namespace(x='0123456789') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    /memory/,
  ],
  ['calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /calls itself/],
])('a chat template that %s is a TemplateError, also if that depends on a word', async (_, body, reason) => {
  const refused = { name: 'TemplateError', code: 'ERR_TEMPLATE', message: expect.stringMatching(reason) }
  await expect(render(body)).rejects.toMatchObject(refused)
  const template = `{% if 'boom' in messages[0].content %}${body}{% endif %}{{ messages[0].content }}`
  expect(await render(template)).toBe('Hi')
  await expect(render(template, 'boom')).rejects.toMatchObject(refused)
  expect(await render(template)).toBe('Hi')
})

test('a template of more than 1 MiB is a TemplateError, Jinja or pattern', async () => {
  const long = 'x'.repeat(2 ** 20)
  const refused = { name: 'TemplateError', code: 'ERR_TEMPLATE', message: expect.stringContaining('1048576') }
  await expect(render(`${long}{{ messages[0].content }}`)).rejects.toMatchObject(refused)
  for (const options of [{ chatTemplate: `${long}!` }, { promptTemplate: `${long}{0}` }])
    await expect(model.chatSession(options).generate('Hi')).rejects.toMatchObject(refused)
  const content = '{{ messages[0].content }}'
  expect(await render(long.slice(content.length) + content)).toHaveLength(2 ** 20 - content.length + 2)
})

test('the event loop runs while a long template is parsed and rendered', async () => {
  let turns = 0
  let isOver = false
  const turn = () => {
    turns++
    if (!isOver) setTurn(turn)
  }
  const long = render('{{ messages[0].content }}'.repeat(40_000))
  turn()
  expect(await long.finally(() => (isOver = true))).toBe('Hi'.repeat(40_000))
  expect(turns).toBeGreaterThan(100)
})

test('the event loop runs while a costly template is rendered, and the call can be aborted', async () => {
  const endless = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
  const chatTemplate = `{% if 'boom' in messages[-1].content %}${endless}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}`
  const session = model.chatSession({ chatTemplate })
  await session.generate('Hi', { maxTokens: 1 })
  const controller = new AbortController()
  const reason = new Error('enough')
  const asked = session.generate('boom', { signal: controller.signal })
  for (let turns = 0; turns < 100; turns++) await setImmediate()
  controller.abort(reason)
  await expect(asked).rejects.toBe(reason)
  await expect(session.generate('boom')).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
  expect(session.messages).toHaveLength(2)
  expect(await session.generate('Hi', { maxTokens: 1 })).toBeTypeOf('string')
})

test('a model is closed while its prompt is rendered', async () => {
  const other = await GPT4All.load(EMBEDDED, { nThreads: 1 })
  const chatTemplate = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
  const prompt = other.renderPrompt([{ role: 'user', content: 'Hi' }], { chatTemplate })
  await Promise.all([
    expect(prompt).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(CLOSED|TEMPLATE)$/) }),
    other.close(),
  ])
})
