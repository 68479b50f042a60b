import { describe, expect, test } from 'vitest'
import type { NativeChatMessage } from '../../src/native/contract.ts'
import { binding, openModel } from '../support/native-models.ts'

const asking = (messages: NativeChatMessage[]) => ({
  messages,
  addGenerationPrompt: true,
  enableThinking: true,
})

async function render(source: string, messages: NativeChatMessage[]): Promise<string> {
  const template = new binding.ChatTemplate(undefined, source)
  return (await template.renderLater(asking(messages)).promise).prompt
}

const ENDLESS = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
const say = (content: string): NativeChatMessage[] => [{ role: 'user', content }]
/** Does nothing of the kind unless a message has that word. */
const whenAsked = (body: string) =>
  `{% if 'boom' in messages[0].content %}${body}{% endif %}{{ messages[0].content }}`

const STEPS = /too many steps/
const MEMORY = /too much memory|too long/
const DEPTH = /nested too deeply|calls itself/

const doubling = (set: string) =>
  `{% set ns = namespace(s=messages[0].content, l=[1]) %}{% for i in range(90) %}${set}{% endfor %}`
const nested = (inner: string) =>
  `{% for i in range(99999) %}{% for j in range(99999) %}${inner}{% endfor %}{% endfor %}`

describe('a template whose cost depends on a message', () => {
  test.each([
    ['calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', DEPTH],
    [
      'calls another that calls it',
      '{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}',
      DEPTH,
    ],
    [
      'calls itself as a caller',
      '{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}',
      DEPTH,
    ],
    [
      'calls itself twice',
      '{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
      STEPS,
    ],
    ['loops in loops', nested(''), STEPS],
    ['writes in loops', nested('text'), MEMORY],
    ['looks for text in loops', nested("{{ 'b' in messages[0].content * 1000 }}"), /./],
    ['doubles a text', doubling('{% set ns.s = ns.s ~ ns.s %}'), MEMORY],
    ['doubles a list', doubling('{% set ns.l = ns.l + ns.l %}'), /./],
    [
      'prints a list that is twice in itself',
      `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l }}`,
      STEPS,
    ],
    ['writes JSON of one', `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l|tojson }}`, STEPS],
    [
      'compares two of them',
      `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{% set a = ns.l %}${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ a == ns.l }}`,
      STEPS,
    ],
    ['has one as a key', `${doubling('{% set ns.l = (ns.l, ns.l) %}')}{{ {(ns.l, 1): 1} }}`, /./],
    [
      'nests a list',
      '{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}',
      DEPTH,
    ],
    [
      'nests iterators',
      "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = ns.l|map('string') %}{% endfor %}",
      DEPTH,
    ],
    ['prints what is part of itself', '{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}', DEPTH],
    [
      'writes JSON of what is part of itself',
      '{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}',
      DEPTH,
    ],
    ['repeats a text', "{{ 'ab' * 1000000000000 }}", MEMORY],
    ['repeats a list', '{{ [1] * 1000000000 }}', MEMORY],
    ['pads', "{{ 'a'.center(1000000000000) }}", MEMORY],
    ['indents', '{{ [1]|tojson(indent=1000000000000) }}', MEMORY],
    ['replaces', "{{ ('a' * 100000).replace('a', 'b' * 100000)|length }}", MEMORY],
    ['joins', "{{ range(99999)|join('b' * 100000)|length }}", MEMORY],
    [
      'looks for a text that nearly is there everywhere',
      "{{ ('a' * 500000 ~ 'b') in 'a' * 1000000 }}",
      STEPS,
    ],
  ])('that %s is refused, and the process lives', async (_, body, reason) => {
    const source = whenAsked(body)
    expect(await render(source, say('Hi'))).toBe('Hi')
    await expect(render(source, say('boom'))).rejects.toMatchObject({
      code: 'ERR_TEMPLATE',
      message: expect.stringMatching(reason),
    })
    expect(await render(source, say('Hi'))).toBe('Hi')
    const template = new binding.ChatTemplate(undefined, source)
    expect(() => template.render(asking(say('boom')))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(EFFORT|TEMPLATE)$/) }),
    )
  })

  test('or on their number is refused if there are too many', async () => {
    const source =
      '{% for a in messages %}{% for b in messages %}{% for c in messages %}{{ a.content ~ b.content ~ c.content }}{% endfor %}{% endfor %}{% endfor %}'
    expect(await render(source, [...say('a'), ...say('b')])).toHaveLength(24)
    const many = Array.from({ length: 600 }, () => say('a')[0]!)
    await expect(render(source, many)).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
  })

  test('ends if it keeps a value within itself, or very many nested ones', async () => {
    const chain =
      '{% set ns = namespace(n=none) %}{% for i in range(20000) %}{% set ns.n = namespace(n=ns.n) %}{% endfor %}ok'
    const lists =
      '{% set ns = namespace(p=[]) %}{% for i in range(20000) %}{% set b = [] %}{% set a = [b] %}{% set _ = b.append(ns.p) %}{% set ns.p = a %}{% endfor %}ok'
    for (const body of [chain, lists, '{% set ns = namespace() %}{% set ns.a = [ns] %}ok'])
      expect(await render(whenAsked(body), say('boom'))).toBe('okboom')
  })
})

describe('a chat template', () => {
  const many = 50_000
  test.each([
    ['brackets', `{{ ${'('.repeat(many)}1${')'.repeat(many)} }}`],
    ['lists', `{{ ${'['.repeat(many)}${']'.repeat(many)} }}`],
    ['negations', `{{ ${'not '.repeat(many)}1 }}`],
    ['signs', `{{ ${'-'.repeat(many)}1 }}`],
    ['sums', `{{ ${'1 + ('.repeat(many)}1${')'.repeat(many)} }}`],
    ['filters', `{{ 1${'|string'.repeat(many)} }}`],
    ['attributes', `{{ x${'.a'.repeat(many)} }}`],
    ['calls', `{{ x${'()'.repeat(many)} }}`],
    ['choices', `{{ ${'1 if x else '.repeat(many)}1 }}`],
    ['branches', '{% if x %}{% else %}'.repeat(many)],
    ['statements', '{% if x %}'.repeat(many)],
    ['targets', `{% set ${'('.repeat(many)}a${')'.repeat(many)} = 1 %}`],
  ])('of deeply nested %s is refused', async (_, source) => {
    await expect(render(source, say('Hi'))).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
  })

  test('of a megabyte of anything is parsed in time', async () => {
    for (const text of ['\r\n', '{ ', '{# #}', 'a', '😀'])
      await render(text.repeat(1_000_000 / text.length), say('Hi'))
  })

  test('renders a thousand messages with a megabyte in them', async () => {
    const source =
      "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content|trim + '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    const messages = Array.from({ length: 1000 }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: `${'words '.repeat(170)}${i}`,
    }))
    const prompt = await render(source, messages)
    expect(prompt.length).toBeGreaterThan(1_000_000)
    expect(prompt.endsWith('<|assistant|>')).toBe(true)
  })
})

// llama.cpp renders short conversations of its own, with tools, and compares and parses what comes out.
describe('the analysis of a template', () => {
  const shape = (think: string, call: string) =>
    `{% for m in messages %}{{ m.role }}:{% if m.reasoning_content %}${think}{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}{% for t in m.tool_calls or [] %}${call}{{ t|tojson }}</tool>{% endfor %}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}`

  test.each([
    ['much text', `${shape('<think>', '<tool>')}{{ 'x' * 3000000 }}`],
    ['very many tags', `{% if tools %}{{ '<a>' * 1000000 }}{% endif %}${shape('<think>', '<tool>')}`],
    ['many tags before reasoning', shape("{{ '<a>' * 30000 }}<think>", '<tool>')],
    ['lines behind what begins reasoning', shape("<think>{{ '\n' * 100000 }}", '<tool>')],
    ['long text before calls', shape('<think>', "{{ 'x' * 100000 }}")],
    ['many tags before calls', shape('<think>', "{{ '</a>\n' * 20000 }}")],
    [
      'JSON within JSON',
      shape('<think>', '{{ \'{"a":\' * 20000 }}{"name": "{{ t.function.name }}"}{{ "}" * 20000 }}'),
    ],
    ['brackets', shape('<think>', "{{ '[' * 100000 }}")],
  ])('that writes %s ends, and so does parsing its answers', async (_, source) => {
    const template = new binding.ChatTemplate(undefined, source)
    try {
      template.render(asking(say('Hi')))
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_EFFORT' })
    }
    const { prompt, parseReply } = await template.renderLater(asking(say('Hi'))).promise
    expect(prompt).toContain('user:Hiassistant:')
    for (const text of ['<think>', '[[[', '{"a":', '😀', '\n']) parseReply(text.repeat(2000), true)
  })
})

describe('a render on a thread of its own', () => {
  test('ends when it is cancelled, at once if it is queued, and the next one runs', async () => {
    const template = new binding.ChatTemplate(undefined, whenAsked(ENDLESS))
    const ended: string[] = []
    const ask = (name: string, content: string) => {
      const { promise, cancel } = template.renderLater(asking(say(content)))
      return { promise: promise.finally(() => ended.push(name)), cancel }
    }
    const long = ask('long', 'boom')
    const never = ask('never', 'boom')
    const next = ask('next', 'Hi')
    never.cancel()
    never.cancel() // has no effect
    await expect(never.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(ended).toEqual(['never'])
    setTimeout(long.cancel, 50)
    await expect(long.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect((await next.promise).prompt).toBe('Hi')
    long.cancel() // has no effect
  })

  test("does not take quick renders from the program's own thread", async () => {
    const template = new binding.ChatTemplate(undefined, whenAsked(ENDLESS))
    expect(template.render(asking(say('Hi'))).prompt).toBe('Hi')
    const long = template.renderLater(asking(say('boom')))
    expect(template.render(asking(say('Hi'))).prompt).toBe('Hi')
    long.cancel()
    await expect(long.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  test('keeps its template and model alive', async () => {
    let { promise } = new binding.ChatTemplate(undefined, '{{ messages[0].content }}').openLater()
    await promise
    let rendered = new binding.ChatTemplate(undefined, whenAsked(ENDLESS)).renderLater(asking(say('boom')))
    global.gc?.()
    await expect(rendered.promise).rejects.toMatchObject({ code: 'ERR_TEMPLATE' })
    rendered = undefined as never
    promise = undefined as never
    global.gc?.()
  })

  test('opens a template of a model that is closed meanwhile, or reports that', async () => {
    const model = await openModel()
    const template = new binding.ChatTemplate(model, undefined)
    const late = new binding.ChatTemplate(model, undefined)
    template.open()
    model.close()
    expect(template.render(asking(say('Hi'))).prompt).toContain('Hi')
    for (const open of [() => late.open(), () => late.render(asking(say('Hi')))])
      expect(open).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    await expect(late.openLater().promise).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
