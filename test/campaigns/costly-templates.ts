import { seeded } from '../support/gguf-writer.ts'

/** Chat templates whose cost depends on what they are given. */

export type Message = { readonly role: 'user' | 'assistant'; readonly content: string }

export type CostlyTemplate = {
  readonly number: number
  /** What its cost is made of. */
  readonly kinds: readonly string[]
  readonly chatTemplate: string
  /** Two conversations: one that it is cheap with, and one that it is not. */
  readonly cheap: Expected
  readonly costly: Expected
}

export type Expected = {
  readonly messages: readonly Message[]
  /** What Jinja2 would write, with all the time and memory of the world; `undefined` where it would never end. */
  readonly text: string | undefined
  /** So little that refusing it would be wrong. */
  readonly little: boolean
}

/** What a template does for a while: `text` is what it writes, `steps` about how many operations it takes. */
type Cost = { readonly body: string; readonly text: string | undefined; readonly steps: number }

/** `n` is how much of it. */
type Kind = (n: number, messages: readonly Message[]) => Cost

const times = (n: number, body: string, variable = 'i') =>
  `{% for ${variable} in range(${n}) %}${body}{% endfor %}`
const counted = (loops: string) => `{% set ns = namespace(c=0) %}${loops}{{ ns.c }}`
const COUNT = '{% set ns.c = ns.c + 1 %}'
const LAST = 'messages[-1].content'
const finite = (text: string, steps: number, body: string): Cost => ({ body, text, steps })
const never = (body: string): Cost => ({ body, text: undefined, steps: Number.POSITIVE_INFINITY })
/** Too much for a text of JavaScript; Jinja2 may go on for ever with it. */
const written = (n: number, text: () => string) => (n > 2e7 ? undefined : text())
const root = (n: number, degree: number) => Math.max(1, Math.floor(n ** (1 / degree)))
const log = (n: number) => Math.max(1, Math.floor(Math.log2(n)))
/** Python's own limits are others: deep calls and values are right as a text or refused. */
const deep = (depth: number) => (depth > 50 ? Number.POSITIVE_INFINITY : depth)

const KINDS: Record<string, Kind> = {
  'loops in loops': (n) => {
    const side = root(n, 3)
    const inner = times(side, times(side, COUNT, 'k'), 'j')
    return finite(`${side ** 3}`, side ** 3, counted(times(side, inner)))
  },
  'a long loop': (n) => finite(`${Math.min(n, 99_999)}`, n, counted(times(Math.min(n, 99_999), COUNT))),
  recursion: (n) => {
    const depth = root(n, 2)
    const macro = '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% endif %}x{% endmacro %}'
    return finite(`${depth + 1}`, deep(depth), `${macro}{{ f(${depth})|length }}`)
  },
  'endless recursion': () =>
    never('{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{% macro g() %}{{ f(1) }}{% endmacro %}{{ g() }}'),
  'endless callers': () =>
    never('{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}'),
  'recursion that branches': (n) => {
    const depth = log(n)
    const macro = '{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% else %}x{% endif %}{% endmacro %}'
    const body = `${macro}{{ f(${depth})|length }}`
    return finite(`${2 ** depth}`, 2 ** depth * 4, body)
  },
  'a text that doubles': (n) => {
    const rounds = log(n)
    const set = "{% set ns = namespace(s='ab') %}"
    return finite(
      `${2 ** rounds * 2}`,
      n,
      `${set}${times(rounds, '{% set ns.s = ns.s ~ ns.s %}')}{{ ns.s|length }}`,
    )
  },
  'a list that doubles': (n) => {
    const rounds = log(n)
    const body = `{% set ns = namespace(l=[1]) %}${times(rounds, '{% set ns.l = ns.l + ns.l %}')}{{ ns.l|length }}`
    return finite(`${2 ** rounds}`, n, body)
  },
  'a tree of one list': (n) => {
    const rounds = log(n)
    const body = `{% set ns = namespace(l=[]) %}${times(rounds, '{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l|tojson|length }}`
    const length = Array.from({ length: rounds }).reduce((inner: number) => 2 * inner + 4, 2)
    return finite(`${length}`, length * 4, body)
  },
  'trees that are compared': (n) => {
    const rounds = log(n)
    const tree = (name: string) =>
      `{% set ns = namespace(l=[]) %}${times(rounds, '{% set ns.l = {"a": ns.l, "b": ns.l} %}')}{% set ${name} = ns.l %}`
    return finite('True', n * 8, `${tree('x')}${tree('y')}{{ x == y }}`)
  },
  'nested lists': (n) => {
    const depth = root(n, 2)
    const body = `{% set ns = namespace(l=[]) %}${times(depth, '{% set ns.l = [ns.l] %}')}{{ ns.l|string|length }}`
    return finite(`${2 * depth + 2}`, deep(depth), body)
  },
  'what is part of itself': () => never('{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}'),
  'a list that grows while it is read': () =>
    never('{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}'),
  repetition: (n) => finite(`${2 * n ** 2}`, n ** 2, `{{ ('ab' * ${n ** 2})|length }}`),
  'lists repeated': (n) => finite(`${n}`, n, `{{ ([1] * ${n})|length }}`),
  replacing: (n) => {
    const side = root(n, 2)
    const body = `{{ ('a' * ${side}).replace('a', 'b' * ${side})|length }}`
    return finite(`${side ** 2}`, side ** 2, body)
  },
  joining: (n) => {
    const side = Math.min(root(n, 2), 99_999)
    const body = `{{ range(${side})|map('string')|join('b' * ${side})|length }}`
    const digits = Array.from({ length: side }, (_, i) => String(i).length).reduce((a, b) => a + b, 0)
    return finite(`${digits + side * (side - 1)}`, side ** 2, body)
  },
  padding: (n) => finite(`${Math.max(1, n ** 2)}`, n ** 2, `{{ 'x'.center(${n ** 2})|length }}`),
  indenting: (n) => {
    const side = root(n, 2)
    const body = `{{ ('a\\n' * ${side})|indent(${side}, true)|length }}`
    return finite(`${2 * side + side ** 2}`, side ** 2, body)
  },
  'text that is nearly there': (n) => {
    const side = root(n, 2)
    return finite('False', side ** 2, `{{ ('a' * ${side} ~ 'b') in 'a' * ${2 * side} }}`)
  },
  splitting: (n) => {
    const side = root(n, 2)
    const loop = times(side, `{% set ns.c = ns.c + ('a,' * ${side}).split(',')|length %}`)
    return finite(`${side * (side + 1)}`, side ** 2, counted(loop))
  },
  'slices in a loop': (n) => {
    const side = root(n, 2)
    const body = `{% set ns = namespace(s='a' * ${side}) %}${times(side, '{% set ns.s = ns.s[1:] %}')}{{ ns.s|length }}`
    return finite('0', side ** 2, body)
  },
  sorting: (n) => {
    const side = Math.min(root(n, 2), 2000)
    const body = `{% set p = 'a' * ${side} %}{% set ns = namespace(l=[]) %}${times(side, '{% set ns.l = ns.l + [p ~ i] %}')}{{ ns.l|sort|length }}`
    return finite(`${side}`, side ** 2 * 12, body)
  },
  'what is not the same': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    return finite(`${side}`, side ** 2, `{{ range(${side})|unique|list|length }}`)
  },
  'numbers of one rest': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    const body = `{{ range(0, ${85_229 * side}, 85229)|unique|list|length }}`
    return finite(`${side}`, side * 10, body)
  },
  'keys that are not there': (n) => {
    const side = root(n, 2)
    const body = `{% set s = 'x' * ${side * 10} %}${times(Math.min(side, 99_999), '{% set _ = 5[s] %}')}ok`
    return finite('ok', side ** 2, body)
  },
  'letters that are counted': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    const loop = times(side, `{% set ns.c = ns.c + s.count('a') %}`)
    return finite(`${side ** 2}`, side ** 2 * 2, `{% set s = 'a' * ${side} %}${counted(loop)}`)
  },
  'letters that are stripped': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    const loop = times(side, `{% set ns.c = ns.c + s.strip('cba')|length + 1 %}`)
    return finite(`${side}`, side ** 2 * 2, `{% set s = 'a' * ${side} %}${counted(loop)}`)
  },
  'texts that wait': (n) => {
    const side = root(n, 2)
    const depth = Math.min(side, 40)
    const macro = '{% macro f(n) %}{{ s }}{% if n %}{% set _ = f(n - 1) %}{% endif %}{% endmacro %}'
    const body = `{% set s = 'x' * ${side * 100} %}${macro}{{ f(${depth})|length }}`
    return finite(`${side * 100}`, depth * side, body)
  },
  'lists that wait': (n) => {
    const side = root(n, 2)
    const kept = times(Math.min(side, 99_999), '{% set _ = ns.l.append(l|reverse) %}')
    const body = `{% set l = [0] * ${side} %}{% set ns = namespace(l=[]) %}${kept}{{ ns.l|length }}`
    return finite(`${Math.min(side, 99_999)}`, side ** 2, body)
  },
  'loops that are left': (n) => {
    const side = Math.min(n, 99_999)
    const inner = `${'{% if true %}'.repeat(20)}{% continue %}${'{% endif %}'.repeat(20)}`
    return finite('0', side * 60, counted(times(side, inner)))
  },
  'many lines': (n) => {
    const body = `{{ ('\\n' * ${n}).split('\\n')|length }}`
    return finite(`${n + 1}`, n * 10, body)
  },
  'many digits': (n) => {
    const loop = times(Math.min(n, 99_999), `{% set ns.c = ns.c + ('%.9999f' % 0.5)|length %}`)
    return finite(`${Math.min(n, 99_999) * 10_001}`, n * 10_000, counted(loop))
  },
  powers: (n) => finite(n < 62 ? `${2 ** n}` : '', n < 40 ? 1 : Number.POSITIVE_INFINITY, `{{ 2 ** ${n} }}`),
  'JSON with spaces': (n) => {
    const side = root(n, 2)
    const body = `{{ ([1] * ${side})|tojson(indent=${side})|length }}`
    return finite(`${side * (side + 3) + 2}`, side ** 2, body)
  },
  'upper and lower case': (n) => {
    const side = root(n, 2)
    const loop = times(side, `{% set ns.c = ns.c + ('ä' * ${side})|upper|lower|title|length %}`)
    return finite(`${side ** 2}`, side ** 2 * 4, counted(loop))
  },
  'much that is written': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    return {
      body: times(side, `{{ 'x' * ${side} }}`),
      text: written(side ** 2, () => 'x'.repeat(side ** 2)),
      steps: side ** 2,
    }
  },
  'blocks that are set': (n) => {
    const side = Math.min(root(n, 2), 99_999)
    const loop = times(side, `{% set b %}{{ 'x' * ${side} }}{% endset %}{% set ns.c = ns.c + b|length %}`)
    return finite(`${side ** 2}`, side ** 2, counted(loop))
  },
  'messages with messages with messages': (_, messages) => {
    const loops = `{% for a in messages %}{% for b in messages %}{% for c in messages %}${COUNT}{% endfor %}{% endfor %}{% endfor %}`
    return finite(`${messages.length ** 3}`, messages.length ** 3, counted(loops))
  },
  'characters with characters': (_, messages) => {
    const { length } = messages.at(-1)!.content
    const loops = `{% for a in ${LAST} %}{% for b in ${LAST} %}${COUNT}{% endfor %}{% endfor %}`
    return finite(`${length ** 2}`, length ** 2, counted(loops))
  },
  'words with words with words': (_, messages) => {
    const words = messages.at(-1)!.content.split(/\s+/).filter(Boolean).length
    const list = `${LAST}.split()`
    const loops = `{% for a in ${list} %}{% for b in ${list} %}{% for c in ${list} %}${COUNT}{% endfor %}{% endfor %}{% endfor %}`
    return finite(`${words ** 3}`, words ** 3, counted(loops))
  },
  'a text as often as a message is long': (n, messages) => {
    const { length } = messages.at(-1)!.content
    const body = `{% set ns = namespace(s='') %}{% for c in ${LAST} %}{% set ns.s = ns.s ~ 'x' * ${Math.min(n, 1000)} %}{% endfor %}{{ ns.s|length }}`
    return finite(`${length * Math.min(n, 1000)}`, length ** 2 * Math.min(n, 1000), body)
  },
}

const NAMES = Object.keys(KINDS)

/** When a template begins to cost. */
type Trigger = { readonly condition: string; cheap(): Message[]; costly(): Message[] }

function triggers(random: () => number): Trigger[] {
  const below = (n: number) => Math.floor(random() * n)
  const talk = (count: number): Message[] =>
    Array.from({ length: count }, (_, i) => ({
      role: i % 2 ? 'assistant' : 'user',
      content: `message ${i}`,
    }))
  const said = (content: string): Message[] => [...talk(2 * below(3)), { role: 'user', content }]
  const length = 50 + below(3000)
  const count = 9 + 2 * below(60) // llama.cpp tries templates with up to a handful
  const word = `w${below(1e6)}`
  const words = (n: number) => 'two words '.repeat(Math.ceil(n / 10)).slice(0, n)
  return [
    { condition: `'${word}' in ${LAST}`, cheap: () => said('Hi'), costly: () => said(`say ${word} twice`) },
    {
      condition: `${LAST}|length > ${length}`,
      cheap: () => said(words(length)),
      costly: () => said(words(length + 1)),
    },
    {
      condition: `messages|length > ${count}`,
      cheap: () => talk(count),
      costly: () => talk(count + 2),
    },
    {
      condition: `${LAST}.endswith('!') and ${LAST}.split()[0]|int > 5`,
      cheap: () => said('5 !'),
      costly: () => said('6 !'),
    },
    {
      condition: `messages|selectattr('content', 'equalto', '${word}')|list|length > 1`,
      cheap: () => said(word),
      costly: () => [
        { role: 'user', content: word },
        { role: 'assistant', content: 'Yes' },
        ...said(word).slice(-1),
      ],
    },
  ]
}

const around = (messages: readonly Message[], middle: string | undefined) =>
  middle === undefined
    ? undefined
    : `${messages.map(({ role, content }) => `${role}: ${content}\n`).join('')}${middle}assistant:`

/** The same for the same seed and number. */
export function costlyTemplate(seed: number, number: number): CostlyTemplate {
  const random = seeded(seed * 1_000_003 + number)
  const all = triggers(random)
  const { condition, cheap, costly } = all[Math.floor(random() * all.length)]!
  // Each kind comes once before any comes again.
  const kinds = [NAMES[number % NAMES.length]!]
  if (random() < 0.3) kinds.push(NAMES[Math.floor(random() * NAMES.length)]!)
  const sizes = kinds.map(() => Math.floor(10 ** (1 + 7 * random())))
  const messages = costly()
  const costs = kinds.map((kind, i) => KINDS[kind]!(sizes[i]!, messages))
  const bodies = costs.map(({ body }) => body).join('|')
  const texts = costs.map(({ text }) => text)
  const text = texts.includes(undefined) ? undefined : texts.join('|')
  const chatTemplate = `{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if ${condition} %}${bodies}{% endif %}assistant:`
  const quiet = cheap()
  return {
    number,
    kinds,
    chatTemplate,
    cheap: { messages: quiet, text: around(quiet, ''), little: true },
    costly: {
      messages,
      text: around(messages, text),
      little: costs.reduce((sum, { steps }) => sum + steps, 0) < 100_000,
    },
  }
}
