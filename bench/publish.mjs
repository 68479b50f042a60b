// `npm run bench -- --docs`: what was measured goes into docs/performance.json, row by row, and from there into the table
// and the plots of docs/performance.md. Rows of this run replace those of runs before; the others stay.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { inRoot } from '../scripts/paths.mjs'
import { linePlot, ratioPlot } from './plot.mjs'
import { judge, number } from './report.mjs'
import { rows } from './rows.mjs'

const KEPT = inRoot('docs', 'performance.json')
const PAGE = inRoot('docs', 'performance.md')
const PLOTS = inRoot('docs', 'plots')
const BUSY = 0.5
const BEGIN = '<!-- figures: written by `npm run bench -- --docs` -->'
const END = '<!-- end of figures -->'

export function publish({ machine, settings, results }) {
  const kept = existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, 'utf8')) : {}
  const measured = results.filter(({ skipped }) => skipped === undefined)
  const where = `${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}`
  for (const { name, note, values, plot } of measured)
    kept[name] = {
      where,
      date: new Date().toISOString().slice(0, 10),
      threads: settings.threads,
      load: Number(machine.loadBefore.toFixed(2)),
      note,
      values,
      plot,
    }
  const known = rows.filter(({ name }) => kept[name] !== undefined)
  const shown = known.map((row) => ({ ...row, ...kept[row.name], ...judge(row, kept[row.name].values) }))
  mkdirSync(PLOTS, { recursive: true })
  writeFileSync(KEPT, `${JSON.stringify(Object.fromEntries(known.map(({ name }) => [name, kept[name]])))}\n`)
  writeFileSync(`${PLOTS}/ratios.svg`, ratioPlot(shown))
  for (const { name, plot } of shown) if (plot) writeFileSync(`${PLOTS}/${name}.svg`, linePlot(plot))
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error(`docs/performance.md lacks "${BEGIN}" and "${END}"`)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${figures(shown)}\n\n${END}${after}`)
}

function figures(shown) {
  const places = [...new Set(shown.map(({ where, threads }) => `${where}, ${threads} threads`))]
  const plots = shown
    .filter(({ plot }) => plot)
    .map(({ name, plot }) => `![${plot.title}](plots/${name}.svg)`)
  const cells = shown.map(
    ({ name, unit, figures: { q1, q3, count }, figure, wanted, passes, note, load }) => [
      name,
      `${number(figure)}${unit ? ` ${unit}` : ''}`,
      `${number(q1)} to ${number(q3)}`,
      String(count),
      passes ? wanted : `**${wanted}**`,
      String(load),
      note ?? '',
    ],
  )
  return [
    `Measured on ${places.join('; ')}. A bar in bold is missed. Load is the load average before the run that the row is of: above ${BUSY} the machine had something else to do, if only the row before, and the figure is worth less, as it is with fewer than 15 values.`,
    aligned([['row', 'figure', 'quartiles', 'values', 'bar', 'load', 'sides'], ...cells]),
    '![All ratios, with what they had to reach](plots/ratios.svg)',
    ...plots,
  ].join('\n\n')
}

/** A Markdown table, its columns aligned as the formatter wants them. */
function aligned([head, ...lines]) {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...lines].map((line) => line[i].length)))
  const row = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  return [row(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.map(row)].join(
    '\n',
  )
}
