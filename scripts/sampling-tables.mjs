// `node scripts/sampling-tables.mjs` writes the tables of docs/sampling.md again, in about four minutes: it draws
// the next token with seeds 0 to 499 under each setting, and counts. One thread: the same machine, the same tables.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { inRoot, realModel } from './paths.mjs'
import { main, Stop, step } from './steps.mjs'

const DRAWS = 500
const WORDS = 6
const BAR_PERCENT = 10
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

const DAY = 'My favourite day of the week is'
const PROMPTS = ['I would like a cup of', DAY, 'In the garden there is a big']
const OFF = { temp: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1 }
const DEFAULTS = { temp: 0.7, topK: 40, topP: 0.4, minP: 0, repeatPenalty: 1.18 }

// What a column does not name is off; `undefined` leaves everything to the library.
const SHARES = {
  temp: [{ temp: 0 }, { temp: 0.3 }, { temp: 0.7 }, { temp: 1 }, { temp: 1.5 }],
  topK: [{ topK: 1 }, { topK: 5 }, { topK: 40 }, { topK: 0 }],
  topP: [{ topP: 0.1 }, { topP: 0.4 }, { topP: 0.8 }, { topP: 1 }],
  minP: [{ minP: 0 }, { minP: 0.05 }, { minP: 0.2 }],
  together: [{}, { topP: 0.4 }, { topP: 0.4, temp: 1.5 }, undefined],
}
const FILTERS = [{}, { topK: 40 }, { topP: 0.4 }, { topK: 40, topP: 0.4 }, { minP: 0.2 }]
const PENALTIES = [
  ['The cat is sleeping on the', { repeatPenalty: 1 }],
  ['The cat is sleeping on the', { repeatPenalty: 1.18 }],
  ['The cat is sleeping on the', { repeatPenalty: 1.18, repeatLastN: 8 }],
  ['1, 2, 3, 4,', { repeatPenalty: 1 }],
  ['1, 2, 3, 4,', { repeatPenalty: 1.18 }],
]

main(import.meta.url, async () => {
  if (!existsSync(realModel)) throw new Stop('The real model is missing: run `npm run models:fetch`.')
  const { GPT4All } = await import('gpt4all-ts')
  const model = await GPT4All.load(realModel, { nThreads: 1 })
  const page = inRoot('docs', 'sampling.md')
  await step('sampling', async (report) => {
    writeFileSync(page, await fill(readFileSync(page, 'utf8'), model, report))
  })
  await model.close()
})

/** The page with each table made anew; a table has its place between the marker that names it and the end marker. */
async function fill(page, model, report) {
  const count = counter(model, report)
  const tables = { fields: () => fieldsOf(count), penalty: () => penaltiesOf(model) }
  for (const [name, columns] of Object.entries(SHARES)) tables[name] = () => sharesOf(count, columns)
  for (const [name, make] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- made by: [^>]*, ${name} -->\n).*?(<!-- end -->)`, 's')
    if (!place.test(page)) throw new Stop(`docs/sampling.md has no place for the table ${name}.`)
    const table = await make()
    page = page.replace(place, (_, begin, end) => `${begin}\n${table}\n\n${end}`)
  }
  return page
}

/** `count(prompt, settings)`: how often each token came as the next one; the same question is asked only once. */
function counter(model, report) {
  const known = new Map()
  return async (prompt, settings) => {
    const options = settings && { ...OFF, ...settings }
    const key = JSON.stringify([prompt, options])
    if (known.has(key)) return known.get(key)
    report(`${prompt} ...`)
    await model.generate(prompt, { maxTokens: 1 }) // from here on the prompt is cached
    const counts = new Map()
    for (let seed = 0; seed < DRAWS; seed++) {
      const text = await model.generate(prompt, { ...options, seed, maxTokens: 1 })
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
    known.set(key, counts)
    return counts
  }
}

/** Rows of tokens, the most frequent without any filter first; a column for each of the settings. */
async function sharesOf(count, columns) {
  const all = await count(DAY, {})
  const words = [...all.keys()].sort((a, b) => all.get(b) - all.get(a)).slice(0, WORDS)
  const counts = []
  for (const settings of columns) counts.push(await count(DAY, settings))
  const others = (c) => DRAWS - words.reduce((sum, word) => sum + (c.get(word) ?? 0), 0)
  return tableOf([
    ['next token', ...columns.map(titleOf)],
    ...words.map((word) => [`\`${word.trim()}\``, ...counts.map((c) => share(c.get(word) ?? 0))]),
    ['all others', ...counts.map((c) => share(others(c)))],
    ['different tokens', ...counts.map((c) => c.size)],
  ])
}

/** How many different tokens the same filters draw where the model is sure, and where it is not. */
async function fieldsOf(count) {
  const rows = [['prompt', ...FILTERS.map(titleOf)]]
  for (const prompt of PROMPTS) {
    const row = [`${prompt} ...`]
    for (const filter of FILTERS) row.push((await count(prompt, filter)).size)
    rows.push(row)
  }
  return tableOf(rows)
}

async function penaltiesOf(model) {
  const rows = [['prompt', 'options', 'what the model wrote']]
  for (const [prompt, options] of PENALTIES) {
    const { text, finishReason } = await model.generate(prompt, { temp: 0, maxTokens: 60, ...options }).result
    const escaped = text.trim().replaceAll(/[\\|*_<`[\]]/g, '\\$&')
    const end = finishReason === 'length' ? ' ...' : ''
    rows.push([prompt, titleOf(options), escaped.replaceAll(/\n+/g, '<br>') + end])
  }
  return tableOf(rows)
}

/** `topK 5, temp 0.7 (default)` */
function titleOf(options) {
  if (options === undefined) return 'the defaults'
  const set = Object.entries(options).map(([name, value]) => {
    const notes = [OFF[name] === value && 'off', DEFAULTS[name] === value && 'default'].filter(Boolean)
    return `${name} ${value}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`
  })
  return set.join(', ') || 'all off'
}

/** `██▍ 24 %` */
function share(drawn) {
  if (drawn === 0) return ''
  const percent = (drawn / DRAWS) * 100
  const eighths = Math.max(1, Math.round((percent / BAR_PERCENT) * 8))
  return `${'█'.repeat(eighths >> 3)}${EIGHTHS[eighths % 8]} ${percent < 1 ? '< 1' : Math.round(percent)} %`
}

function tableOf(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)))
  const lines = rows.map((row) => `| ${row.map((cell, i) => String(cell).padEnd(widths[i])).join(' | ')} |`)
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`)
  return lines.join('\n')
}
