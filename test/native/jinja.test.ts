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

describe('templates', () => {
  test('render to what Jinja2 makes of them, or are refused', () => {
    const renderable = golden.filter(({ text }) => text !== undefined)
    const differing = renderable.filter(({ source, text }) => ![text, 'refused'].includes(outcome(source)))
    expect(differing).toEqual([])
    const refused = renderable.filter(({ source }) => outcome(source) === 'refused')
    expect(refused.length).toBeLessThanOrEqual(renderable.length / 50)
  })

  test('fail where Jinja2 fails', () => {
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
  ])('%s makes %j', (source, text) => {
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
    '{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}',
    '{% set l = [1, 2] %}{% for x in l %}{% set _ = l.append(l.pop(0)) %}{% endfor %}',
  ])('%s is refused', (source) => {
    expect(outcome(source)).toBe('refused')
  })

  test('what is written into messages stays what it is, whatever it is', () => {
    for (const content of ['\u0000\u0001\u007f', '{{ 1 }}{% if %}', '😀\u200d', 'a\r\nb', '\ufeff', '']) {
      expect(render('{{ messages[0].content }}|', content)).toBe(`${content}|`)
    }
  })
})
