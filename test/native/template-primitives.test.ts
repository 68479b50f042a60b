import { expect, test } from 'vitest'
import type { NativeChatMessage } from '../../src/native/contract.ts'
import { binding } from '../support/native-models.ts'

// What a single operation of a template costs: its steps and its memory are counted while it works.

const say = (content: string): NativeChatMessage[] => [{ role: 'user', content }]
const asking = (content: string) => ({
  messages: say(content),
  addGenerationPrompt: true,
  enableThinking: true,
})
/** Does nothing of the kind unless it is asked to. */
const whenAsked = (body: string) =>
  new binding.ChatTemplate(undefined, `{% if messages[-1].content == 'go' %}${body}{% endif %}ok`)

const kept = (count: number, value: string) =>
  `{% set ns = namespace(l=[]) %}{% for i in range(${count}) %}{% set _ = ns.l.append(${value}) %}{% endfor %}`
const often = (count: number, statement: string) => `{% for i in range(${count}) %}${statement}{% endfor %}`
const calling = (set: string, body: string) =>
  `${set}{% macro f(n) %}${body}{% endmacro %}{{ f(1500)|length }}`

/** By how many megabytes the process grows at most while a template is rendered, and how that ends. */
async function growth(body: string): Promise<{ megabytes: number; code: unknown }> {
  const template = whenAsked(body)
  expect((await template.renderLater(asking('no')).promise).prompt).toBe('ok')
  global.gc?.()
  const before = process.memoryUsage.rss()
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 2)
  let code: unknown
  try {
    await template.renderLater(asking('go')).promise
  } catch (error) {
    code = (error as { code: unknown }).code
  }
  clearInterval(sampling)
  return { megabytes: (most - before) / 2 ** 20, code }
}

test.each([
  ['names of arguments', `{% set d = {'x' * 20000000: 1} %}${often(400, "{% set _ = ''.format(**d) %}")}`],
  [
    'what macros have written',
    calling("{% set s = 'x' * 4000000 %}", '{{ s }}{% if n %}{{ f(n - 1)|length }}{% endif %}'),
  ],
  [
    'lists that are read',
    calling(
      "{% set l = ('a ' * 60000).split() %}",
      "{% for i in l|map('length') %}{% if n %}{{ f(n - 1)|length }}{% endif %}{% endfor %}",
    ),
  ],
  ['lines', "{{ ('\\n' * 60000000).split('\\n')|length }}"],
  ['lines of other kinds', "{{ ('\\n' * 60000000).splitlines()|length }}"],
  ['words', "{{ ('a ' * 30000000).split()|length }}{{ ('a ' * 30000000).rsplit()|length }}"],
  ['lines that are indented', "{{ ('\\n' * 60000000)|indent(0)|length }}"],
  ['arguments of filters', `{% set big = [0] * 1000000 %}${kept(40, '[]|map(*big)')}`],
  ['reversed lists', `{% set l = [0] * 500000 %}${kept(150, 'l|reverse')}`],
  [
    'a list that is part of itself',
    `{% set l = [] %}{% set _ = l.append(l) %}${often(60000, '{% set _ = l.append(0) %}')}{{ l|tojson }}`,
  ],
])('%s take no more memory than a template may have', async (_, body) => {
  const { megabytes, code } = await growth(body)
  expect(code).toBe('ERR_TEMPLATE')
  expect(megabytes).toBeLessThan(500)
})

test('the error about missing keys quotes only their beginning', async () => {
  const body = `{% set s = 'x' * 50000000 %}${kept(50, '5[s]')}`
  const { megabytes } = await growth(body)
  expect(megabytes).toBeLessThan(300)
  await expect(whenAsked(`${body}{{ ns.l[0].x }}`).renderLater(asking('go')).promise).rejects.toMatchObject({
    code: 'ERR_TEMPLATE',
    message: expect.stringMatching(/^.{0,40}'int object' has no attribute 'x{100}\.\.\.'/),
  })
})

test('a macro that reads a list within a loop over it does not copy the list', async () => {
  const body = '{% for i in l %}{% if n %}{{ f(n - 1)|length }}{% endif %}{% break %}{% endfor %}'
  const { megabytes } = await growth(calling('{% set l = [0] * 1000000 %}', body))
  expect(megabytes).toBeLessThan(300)
})

test.each([
  ['looks for text', "{% set s = 'a' * 6000000 %}{% set w = 'a' * 30 ~ 'b' %}", '{{ s.count(w) }}'],
  ['counts letters', "{% set s = 'a' * 6000000 %}", "{{ s.count('a') }}"],
  ['strips', "{% set s = 'a' * 6000000 %}", "{{ s.strip('abcdefghijklmnopqrstuvwxyz01234') }}"],
  [
    'compares beginnings',
    "{% set s = 'a' * 6000000 %}{% set t = ([s] * 1000 + ['b'])|list %}",
    '{{ s.startswith(("b" ~ s, s, s)) }}',
  ],
  ['asks for keys', "{% set s = 'x' * 50000000 %}", '{% set _ = 5[s] %}'],
  ['writes many digits', '', "{% set x = '%.99999f' % 0.1 %}"],
  ['writes many times', "{% set f = '%c' * 1000000 %}", '{% set x = strftime_now(f) %}'],
  [
    'fills in by name',
    `{% set ns = namespace(t='') %}{% set d = dict(a=1) %}{% set t = '{a}' * 100000 %}`,
    '{% set x = t.format(**d) %}',
  ],
])('a template that %s again and again is refused', async (_, set, statement) => {
  await expect(
    whenAsked(`${set}${often(99_999, often(1000, statement))}`).renderLater(asking('go')).promise,
  ).rejects.toMatchObject({ code: 'ERR_TEMPLATE', message: expect.stringMatching(/too many steps|memory/) })
})

test.each([
  ['that is found everywhere', "{% set s = 'a' * 60000000 %}", "{{ s.count('a') }}"],
  ['that is nearly found everywhere', "{% set s = 'a' * 60000000 %}", "{{ s.count('a' * 30 ~ 'b') }}"],
])('a search for a text %s ends when it is cancelled', async (_, set, statement) => {
  const template = whenAsked(`${set}${often(500, statement)}`)
  const job = template.renderLater(asking('go'))
  setTimeout(job.cancel, 30)
  await expect(job.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
})

test('numbers with the same remainder stay different', async () => {
  const { prompt } = await whenAsked('{{ range(0, 85229 * 85200, 85229)|unique|list|length }}').renderLater(
    asking('go'),
  ).promise
  expect(prompt).toBe('85200ok')
})

test.each([
  [
    'out of conditions',
    '{% for i in range(9) %}{% if i %}{% if i > 3 %}{% break %}{% endif %}{% endif %}{{ i }}{% endfor %}',
    '0123',
  ],
  [
    'to the next item',
    '{% for i in range(4) %}{% with %}{% if i == 1 %}a{% continue %}{% endif %}{{ i }}{% endwith %}{% endfor %}',
    '0a23',
  ],
  [
    'out of what is read when a loop has no items',
    '{% for i in [1, 2] %}{% for j in [] %}{% else %}{% break %}{% endfor %}x{% endfor %}y',
    'y',
  ],
  [
    'out of a text that is set, which is lost',
    '{% for i in [1, 2] %}{% set t %}a{% break %}{% endset %}{% endfor %}{{ t }}y',
    'y',
  ],
])('break and continue lead %s', async (_, body, text) => {
  expect((await whenAsked(body).renderLater(asking('go')).promise).prompt).toBe(`${text}ok`)
})

test.each([
  ['a name of a thousand letters', `{% set ${'a'.repeat(1000)} = 1 %}`],
  ['more than two megabytes', 'a'.repeat(3_000_000)],
  ['a number too large', '{{ 99999999999999999999 }}'],
])('a template with %s is refused', async (_, source) => {
  await expect(
    new binding.ChatTemplate(undefined, source).renderLater(asking('go')).promise,
  ).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
})

test.each([
  ['of much text', 'a'.repeat(300_000)],
  [
    'of many names and branches',
    Array.from({ length: 3000 }, (_, i) => `{% set v${i} = 1 %}`).join('') +
      '{% if x %}{% endif %}'.repeat(3000),
  ],
  [
    'of many parameters',
    `{% macro f(${Array.from({ length: 20_000 }, (_, i) => `a${i}`).join()}) %}{% endmacro %}${'{{ 1 }}'.repeat(20_000)}`,
  ],
])("a template %s is not parsed on the program's own thread", async (_, source) => {
  const template = new binding.ChatTemplate(undefined, source)
  expect(() => template.open()).toThrow(expect.objectContaining({ code: 'ERR_EFFORT' }))
})
