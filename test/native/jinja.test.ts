import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { binding } from '../support/native-models.ts'

/** What Jinja2 makes of a template that sets all it is given: recorded by test/golden/jinja/oracle.py. */
type Recorded = { readonly source: string; readonly text?: string; readonly error?: string }
const golden: readonly Recorded[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'golden', 'jinja.json'), 'utf8'),
)

function render(source: string, content = 'Hi'): string {
  const template = new binding.ChatTemplate(undefined, source)
  const messages = [{ role: 'user', content }]
  return template.render({ messages, addGenerationPrompt: true, enableThinking: true }).prompt
}

function outcome(source: string): string {
  try {
    return render(source)
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_TEMPLATE' ? 'refused' : `${error}`
  }
}

describe('templates in our Jinja engine', () => {
  test('render to the same text as in Jinja2, or are refused', () => {
    const renderable = golden.filter(({ text }) => text !== undefined)
    const differing = renderable.filter(({ source, text }) => ![text, 'refused'].includes(outcome(source)))
    expect(differing).toEqual([])
    const refused = renderable.filter(({ source }) => outcome(source) === 'refused')
    expect(refused.length).toBeLessThanOrEqual(renderable.length / 50)
  })

  test('fail if Jinja2 fails', () => {
    const failing = golden.filter(({ error }) => error !== undefined)
    expect(failing.length).toBeGreaterThan(10)
    expect(failing.filter(({ source }) => outcome(source) !== 'refused')).toEqual([])
  })

  // Each was rendered otherwise by llama.cpp's own engine; the texts are Jinja2's.
  test.each([
    ["{% macro f(a, b='x', c='y') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f('1', c='z') }}", '[1xz]'],
    ["{{ 'aé😀'[1] }}{{ 'aé😀'[-1] }}{{ 'aé😀'[1:] }}{{ 'aé😀'[::-1] }}", 'é😀é😀😀éa'],
    ["{{ 'é😀'|length }}{{ 'straße'|upper }}{{ 'ÀÉ'|lower }}{{ 'ǆ'|capitalize }}", '2STRASSEàéǅ'],
    ["{{ 'ΑΣ ΣΑ'|lower }} {{ 'o''neil-über alles'|title }}", 'ας σα Oneil-Über Alles'],
    ["{{ '\\u00a0x\\u2003'.strip() }}", 'x'],
    ['{% for i in [1, 2] %}{% if i %}a{% continue %}{% endif %}{% endfor %}', 'aa'],
    ['{% for i in [1, 2] %}{{ x }}{% set x = i %}{% endfor %}', ''],
    ['{% macro f() %}{{ x }}{% endmacro %}{% for x in [1] %}{{ f() }}{% endfor %}', ''],
    ['{{ [1, [2]] == [1, [2]] }} {{ {"a": 1, "b": 2} == {"b": 2, "a": 1} }}', 'True True'],
    ["{{ [1, 'a', none, 2.0, true] }} {{ none }}", "[1, 'a', None, 2.0, True] None"],
    [
      '{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 9007199254740993 + 2 }}',
      'True False -4 2 9007199254740995',
    ],
    ["{{ 'a' ~ 1 ~ 2.5 }} {{ 1e-05 }} {{ 1e16 }} {{ 0.1 + 0.2 }}", 'a12.5 1e-05 1e+16 0.30000000000000004'],
    ["{{ {'b': 1, 'A': 2}|dictsort }} {{ ['b', 'A']|sort }}", "[('A', 2), ('b', 1)] ['A', 'b']"],
    ["{{ {'k': 1}.keys()[0] }}|{{ {'default': 5}.default }}", '|5'],
    ['{% if []|select %}yes{% endif %}', 'yes'],
    ["{{ '<' + ('ab'|safe)[0] }}{{ '<' + ('ab'|safe)|last }}{{ '<' + ('ab'|safe)|first }}", '&lt;a&lt;b<a'],
    [
      "{{ {'x': 'é\\n'}|tojson }} {{ [1]|tojson(indent=2) }} {{ 'é'|tojson(ensure_ascii=true) }}",
      '{"x": "é\\n"} [\n  1\n] "\\u00e9"',
    ],
    ['{% raw %}{{ x }}{% endraw %}{{ "\\x41\\u00e9" }}', '{{ x }}Aé'],
    ['a\n   {%+ if true %}b{% endif %}\n  {#- c -#}\n d', 'a\n   bd'],
    [
      "{{ 'abc'.replace('', '-', 0) }}|{{ 'aéc'|replace('', '-', 2) }}|{{ ''|replace('', '-') }}",
      'abc|-a-éc|-',
    ],
    [
      '{% set ns = namespace(_a=1) %}{% set ns._b = 1 %}{{ ns._a }}{{ ns._b is defined }}{{ {"_a": 2}._a }}',
      'False2',
    ],
    ["{% set x = 'A' %}{% filter replace('a', x) %}{% set x = 'Z' %}aaa{% endfilter %}", 'ZZZ'],
    [
      "{% for i in [1, 2] %}{% filter replace('a', x) %}{% set x = i|string %}aa{% endfilter %}{% endfor %}",
      '1122',
    ],
    ["{% set y | replace('a', x) %}{% set x = 'Z' %}aaa{% endset %}{{ y }}", 'ZZZ'],
    [
      '{{ 9007199254740993 > 9007199254740992.0 }} {{ 9210000000000000000 == 9.21e18 }} {{ +(-0.0) }}',
      'True True -0.0',
    ],
    ['{{ 9223372036854775807 < 9.3e18 }} {{ -1e300 > 5 }} {{ 1 < 1.5 }}', 'True False True'],
    ['{{ range(9223372036854775800, 9223372036854775807)|list|length }}', '7'],
    [
      '{{ range(9223372036854775807, -9223372036854775807, -9000000000000000000)|list }}',
      '[9223372036854775807, 223372036854775807, -8776627963145224193]',
    ],
    ['{{ range(10)[::9000000000] }}', 'range(0, 10, 9000000000)'],
    [
      "{{ 'aéaéa'.count('a', 1) }}{{ 'aéaéa'.count('', 1, 3) }}{{ 'aé'.count('', 5) }}{{ 'aa'.count('a', 0, -1) }}",
      '2301',
    ],
    ['{{ [1, 2, 1].index(1, 1) }}{{ [1, 2, 1].index(1, -9) }}{{ (1, 2, 1).index(2, 0, 2) }}', '201'],
    [
      '{{ "ab"|attr("upper")() }}{{ {"a": 1}|attr("a") is defined }}{{ {"a": 1}|attr("get")("a") }}',
      'ABFalse1',
    ],
    ['{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}', 'TrueFalseTrue'],
    ['{% for x in [1, 2] %}{{ loop.changed() }}{% endfor %}', 'TrueFalse'],
    [
      '{% for k, v in [{"c": "b", "n": 1}, {"c": "A", "n": 2}, {"c": "B", "n": 3}]|groupby("c") %}{{ k }}{{ v|map(attribute="n")|list }}{% endfor %}',
      'A[2]b[1, 3]',
    ],
    ['{% set g = ([{"c": 1}, {}]|groupby("c", 0))[0] %}{{ g.grouper }}{{ g.list }}{{ g }}', '0[{}](0, [{}])'],
    ["{{ ('a', 1) in {'a': 1}.items() }}{{ [1] in {'a': [1]}.values() }}", 'TrueTrue'],
  ])('render %s to %j', (source, text) => {
    expect(render(source)).toBe(text)
  })

  test.each([
    "{{ 'a' + 1 }}",
    "{{ 'a' + nothing }}",
    '{{ nothing.x }}',
    '{{ messages[0].nothing.x }}',
    '{{ none + "a" }}',
    '{{ 1 / 0 }}',
    '{% set messages[0].role = 1 %}',
    '{% for k, v in {"abc": 1} %}{% endfor %}',
    '{{ [1, 2].sort() }}',
    '{{ nothing|tojson }}',
    '{{ 9223372036854775807 + 1 }}',
    '{% break %}',
    '{% filter length %}abc{% endfilter %}',
    '{% macro f() %}{% filter list %}abc{% endfilter %}{% endmacro %}{{ f() }}',
    '{% for x in [1] %}{% call loop.cycle(1) %}{% endcall %}{% endfor %}',
    "{% set y | replace('a', nowhere) %}aaa{% endset %}",
    '{{ self is defined }}',
    '{{ range(3).start == 0 }}',
    '{{ (5).real == 5 }}',
    "{{ {'a': 1}.keys().mapping }}",
    "{{ {'a': 1}.keys() == {'a': 2}.keys() }}",
    "{{ ['a'] in {'a': 1}.keys() }}",
    "{{ (['a'], 1) in {'a': 1}.items() }}",
    '{{ 9007199254740993 / 3 }}',
    '{{ range(0, 9000000000000000000, 5000000000000000000)[::2147483647]|list }}',
    "{{ strftime_now('a\\0b') }}",
    '{% set x = 1e300 * 1e10 %}',
    "{{ 'nan'|float }}",
    '{% set ns = namespace() %}{% for x in [1, 2] %}{% set ns.l = loop %}{% break %}{% endfor %}{{ ns.l.nextitem }}',
    '{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}',
    '{% set l = [1, 2] %}{% for x in l %}{% set _ = l.append(l.pop(0)) %}{% endfor %}',
  ])('refuse %s', (source) => {
    expect(outcome(source)).toBe('refused')
  })

  // `it` can be read once, and only as far as somebody reads it.
  test.each([
    ['{% for x in it %}{{ x }}{% break %}{% endfor %}{{ it|list }}', '1[2, 3, 4]'],
    ['{% for x in it %}{{ it|first }}{% endfor %}{{ it|list }}', '24[]'],
    [
      '{% set a = it|select %}{% set b = it|reject("none") %}{{ a|first }}{{ b|first }}{{ a|list }}',
      '12[3, 4]',
    ],
    [
      '{% for x in it %}{% if loop.last %}L{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}{{ it|join }}',
      '124',
    ],
    ['{% for x in it %}{{ loop.length }}{{ loop.nextitem }}{% break %}{% endfor %}{{ it|list }}', '42[]'],
    ['{% for x in it if x > 1 %}{{ x }}{% break %}{% endfor %}{{ it|list }}', '2[3, 4]'],
    ['{% set rows = it|batch(2) %}{{ rows|first }}{{ it|list }}{{ rows|list }}', '[1, 2][4][[3]]'],
    ['{% set once = it|unique %}{{ 2 in once }}{{ once|first }}{{ it|list }}', 'True3[4]'],
    ['{% set texts = it|map("string") %}{{ texts|first }}{{ it|first }}{{ texts|join }}', '1234'],
    ['{{ [1, 3]|select("in", it)|list }}{{ it|list }}', '[1, 3][4]'],
    ['{% set a, b, c, d = it %}{{ d }}{{ it|list }}', '4[]'],
  ])('read an iterator item by item: %s renders to %j', (source, text) => {
    expect(render(`{% set it = [1, 2, 3, 4]|select %}${source}`)).toBe(text)
  })

  test('may have long rows of operators, and of elif', () => {
    const row = (operator: string) => Array(300).fill('0').join(operator)
    expect(render(`{{ ${row(' ~ ')} }}`)).toBe('0'.repeat(300))
    expect(render(`{{ ${row(' + ')} }}{{ ${row(' or ')} or 7 }}{{ 5 - 2 - 1 }}`)).toBe('072')
    const branches = Array.from({ length: 300 }, (_, i) => `{% elif n == ${i} %}${i}`).join('')
    const chain = `{% if n == 'x' %}x${branches}{% else %}none{% endif %}`
    expect(render(`{% set n = 299 %}${chain}`)).toBe('299')
    expect(render(`{% set n = -1 %}${chain}`)).toBe('none')
  })

  test('do not change what is written into messages', () => {
    for (const content of ['\u0000\u0001\u007f', '{{ 1 }}{% if %}', '😀\u200d', 'a\r\nb', '\ufeff', '']) {
      expect(render('{{ messages[0].content }}|', content)).toBe(`${content}|`)
    }
  })
})
