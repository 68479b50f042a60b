// A row with its figures, for the eye (Markdown) and for programs (JSON).
import { summary } from './stats.mjs'

/** The figure of a row, whether it passes, and in words what it had to reach. */
export function judge({ bar, unit = '' }, values) {
  const figures = summary(values)
  const figure = bar.worst ? figures.max : figures.median
  const behind = unit && ` ${unit}`
  return {
    figures,
    figure,
    passes: bar.atLeast === undefined ? figure <= bar.atMost : figure >= bar.atLeast,
    wanted: bar.atLeast === undefined ? `at most ${bar.atMost}${behind}` : `at least ${bar.atLeast}${behind}`,
  }
}

export const number = (value) =>
  Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 100 ? 3 : 1)

/** The rows as a Markdown table. */
export function table(results) {
  const lines = [
    '| what | median | quartiles | worst to best | bar | |',
    '|---|---|---|---|---|---|',
    ...results.map(({ title, note, unit, bar, values, skipped }) => {
      if (skipped !== undefined) return `| ${title} | skipped: ${skipped} | | | | |`
      const { figures, wanted, passes } = judge({ bar, unit }, values)
      const [worst, best] =
        bar.atLeast === undefined ? [figures.max, figures.min] : [figures.min, figures.max]
      const bars = bar.worst ? `${wanted}, the worst` : wanted
      const cells = [
        `${title}${note ? ` (${note})` : ''}`,
        `${number(figures.median)}${unit ? ` ${unit}` : ''}`,
        `${number(figures.q1)} to ${number(figures.q3)}`,
        `${number(worst)} to ${number(best)}`,
        bars,
        passes ? 'pass' : 'FAIL',
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ]
  return lines.join('\n')
}

/** The table under a line on the machine and the run. */
export function page({ machine, settings, results }) {
  const { cpu, cores, node, loadBefore, loadAfter } = machine
  return [
    '# Benchmark',
    '',
    `${cpu}, ${cores} cores, Node.js ${node}; load average ${loadBefore.toFixed(2)} before, ${loadAfter.toFixed(2)} after.`,
    `${settings.model}, ${settings.threads} threads, ${settings.pairs} pairs of ${settings.repetitions} repetitions.`,
    '',
    table(results),
    '',
  ].join('\n')
}
