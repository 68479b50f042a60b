import { seeded } from '../support/gguf-writer.ts'

/**
 * Templates that do things with what users write, seeded. Each control token has a letter in it that no template writes, `q` or `ö`:
 * where such a text comes about, a user has a part in it.
 */

const BESIDE = ['a', 'A', '<', '>', '|', '1', ' ', '\n', '-', 'ä', '[', '%', '"', "'", '\\n', '&lt;', ': ']

export const VOCABULARIES: readonly (readonly string[])[] = [
  [...BESIDE.flatMap((text) => [`q${text}`, `${text}q`]), 'qq', 'QÄ', '<Q>', '{q}'],
  ['Ö', '<ö>', 'öa', '-ö', 'ö ö', '<Q>', 'aq', 'q|'],
]

export type Forging = { readonly template: string; readonly messages: readonly string[] }

const WRITTEN = [
  'q',
  'Q',
  'a',
  'A',
  '<',
  '>',
  '|',
  '1',
  ' ',
  '\n',
  '-',
  'ä',
  'Ä',
  '[',
  '%',
  '{',
  '}',
  "'",
  '"',
]
const LITERALS = ['a', 'A', '<', '>', '|', '1', ' ', '-', 'ä', '[', ': ', '', '<a>', '%s', '{}']

type Random = <T>(from: readonly T[]) => T

/** The content of messages: few letters, so that tokens come about. */
const written = (pick: Random, length: number) => Array.from({ length }, () => pick(WRITTEN)).join('')

class Writer {
  readonly #pick: Random

  constructor(pick: Random) {
    this.#pick = pick
  }

  /** An expression whose value is a text. */
  text(depth: number): string {
    if (depth === 0) return this.#pick(['c', 'd', 'e', 'n.x', this.#literal(), 'c', 'd'])
    const a = `(${this.text(depth - 1)})`
    const b = `(${this.text(depth - 1)})`
    const l = this.#literal()
    const number = () => this.#pick(['0', '1', '2', '3', '-1', '-2', '5'])
    return this.#pick<() => string>([
      () => `${a} ~ ${b}`,
      () => `${a} + ${b}`,
      () => `${a} ~ ${number()} ~ ${b}`,
      () => `${a} * 2`,
      () => `${a}[${number()}:]`,
      () => `${a}[:${number()}] ~ ${b}[${number()}:]`,
      () => `${a}[::${this.#pick(['2', '-1', '-2', '3'])}]`,
      () => `${a}${this.#pick(['.upper()', '.lower()', '.title()', '.capitalize()', '.swapcase()'])}`,
      () =>
        `${a} | ${this.#pick(['upper', 'lower', 'title', 'capitalize', 'string', 'trim', 'reverse', 'e'])}`,
      () => `${a} | ${this.#pick(['first', 'last', 'min', 'max'])} | string`,
      () => `${a} | ${this.#pick(['list', 'sort', 'unique', 'map("upper")', 'map("lower")'])} | join(${l})`,
      () => `${a} | list | reject('equalto', ${l}) | join`,
      () => `${a} | batch(2) | map('join', ${l}) | join(${b})`,
      () => `${a}.replace(${l} or '-', ${b})`,
      () => `${a} | replace(${b}, ${l})`,
      () => `${a}.${this.#pick(['split', 'rsplit'])}(${this.#pick(["'-'", "' '", "'a'"])}) | join(${b})`,
      () =>
        `${l}.join(${a}.${this.#pick(['split()', 'splitlines()', 'splitlines(true)', "rsplit('|', 1)"])})`,
      () => `${a}.${this.#pick(['partition', 'rpartition'])}('-') | join(${l})`,
      () => `${a}.${this.#pick(['strip', 'lstrip', 'rstrip'])}(${this.#pick(['', "'-'", "' a'"])})`,
      () => `${a}.${this.#pick(['removeprefix', 'removesuffix'])}(${l})`,
      () => `${a}.${this.#pick(['center', 'ljust', 'rjust'])}(9, '|')`,
      () => `${a}.zfill(4)`,
      () => `'%s${this.#plain()}%s' % (${a}, ${b})`,
      () => `'%(x)5s%(x)r' % {'x': ${a}}`,
      () => `'{}${this.#plain()}{x}'.format(${a}, x=${b})`,
      () => `'${this.#plain()}%s' | format(${a})`,
      () => `${a} | indent(1, true)`,
      () => `${a} | truncate(6, true, ${l}, 0)`,
      () => `${a} | center(7)`,
      () =>
        `${a} | ${this.#pick(['tojson', 'tojson(ensure_ascii=true)', 'tojson(indent=1)', 'safe', 'forceescape'])}`,
      () => `{${a}: [${b}]} | ${this.#pick(['tojson', 'string', 'tojson(separators=("", "|"))'])}`,
      () => `[(${a}, ${b})] | string`,
      () => `[${a}, ${b}] | join(${l})`,
      () =>
        `{${a}: 1, ${b}: 2} | ${this.#pick(['list', 'dictsort | map("first")', 'items | map("first")'])} | join(${l})`,
      () => `[{'k': ${a}}, {'k': ${b}}] | map(attribute='k') | join`,
      () => `([{'k': ${a}}, {'k': ${b}}] | groupby('k') | first).grouper`,
      () => `m(${a}, ${b})`,
      () => `w(**{${a}: 1, 'y': ${b}})`,
      () => `w(x=${a})`,
      () => `${a} if ${b} else ${l}`,
      () => `(${a}) | default(${b}, true)`,
      () => `strftime_now((${a}).replace('%', '') ~ ${b}.replace('%', ''))`,
    ])()
  }

  /** A part of a template. */
  part(depth: number): string {
    const text = this.text(depth)
    return this.#pick<() => string>([
      () => `{{ ${text} }}`,
      () => `${this.#plain()}{{ ${text} }}${this.#plain()}`,
      () => `{% set e = ${text} %}{{ e }}`,
      () => `{% set e %}${this.#plain()}{{ ${text} }}{% endset %}{{ e | trim }}`,
      () => `{% set n.x = n.x ~ (${text}) %}{{ n.x }}`,
      () => `{% for x in ${text} %}{{ x }}{% if not loop.last %}${this.#plain()}{% endif %}{% endfor %}`,
      () => `{% for x in (${text}) if x not in '- ' %}{{ loop.previtem | default('') }}{{ x }}{% endfor %}`,
      () =>
        `{% filter ${this.#pick(['upper', 'lower', 'trim', "replace('-', '')"])} %}{{ ${text} }}{% endfilter %}`,
      () => `{% call o() %}{{ ${text} }}{% endcall %}`,
      () => `{% with y = ${text} %}{{ y }}{{ y[1:] }}{% endwith %}`,
      () => `{% set j = joiner(${text}) %}{{ j() }}${this.#plain()}{{ j() }}`,
      () => `{{ [${text}, c] }}`,
    ])()
  }

  #literal(): string {
    return `'${this.#pick(LITERALS)}'`
  }

  #plain(): string {
    return this.#pick(['', '', 'a', '<', '>', '|', ' ', '-', '[', 'A', '1'])
  }
}

const HEAD = `{% set n = namespace(x='') %}{% set c = messages[0].content %}{% set d = messages[1].content %}{% set e = messages[2].content %}
{%- macro m(x, y='<') %}{{ y }}{{ x }}{% endmacro %}{% macro w() %}{% for k, v in kwargs.items() %}{{ k }}{{ v }}{% endfor %}{% endmacro %}
{%- macro o() %}<{{ caller() }}|{% endmacro -%}`

/** The template with that number. */
export function forging(seed: number, number: number): Forging {
  const random = seeded(seed * 1_000_003 + number)
  const pick: Random = (from) => from[Math.floor(random() * from.length)]!
  const writer = new Writer(pick)
  const parts = Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
    writer.part(1 + Math.floor(random() * 3)),
  )
  return {
    template: `${HEAD}${parts.join(pick(['', '', '\n', '|', 'a']))}`,
    messages: Array.from({ length: 3 }, () => written(pick, 1 + Math.floor(random() * 8))),
  }
}
