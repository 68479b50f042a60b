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
])(
  'a chat template that %s is a TemplateError, also where that depends on a word',
  async (_, body, reason) => {
    const refused = { name: 'TemplateError', code: 'ERR_TEMPLATE', message: expect.stringMatching(reason) }
    await expect(render(body)).rejects.toMatchObject(refused)
    const template = `{% if 'boom' in messages[0].content %}${body}{% endif %}{{ messages[0].content }}`
    expect(await render(template)).toBe('Hi')
    await expect(render(template, 'boom')).rejects.toMatchObject(refused)
    expect(await render(template)).toBe('Hi')
  },
)
