// Plots as SVG, without dependencies. Text and lines are of a grey and hues that stand out on light and on dark.
const WIDTH = 720
const INK = '#808080'
const HUES = ['#2f81f7', '#db6d28', '#2da44e', '#a371f7']
const ROW = 34
const LABELS = 190
const LEFT = 64
const RIGHT = 24
const TOP = 40
const HEIGHT = 360
const BOTTOM = 56
const TICKS = 5

const escaped = (text) => String(text).replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`)
const round = (value) => Number(value.toFixed(1))
const figure = (value) => (Math.abs(value) < 10 ? Number(value.toFixed(2)) : Math.round(value))

const text = (x, y, words, anchor = 'start') =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(words)}</text>`
const line = (x1, y1, x2, y2, style = '') =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${INK}" ${style}/>`

function svg(height, title, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" fill="${INK}" role="img">`,
    `<title>${escaped(title)}</title>`,
    text(16, 22, title),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** The rows without a unit as bars: the median, whiskers at the quartiles, and a dashed line at what was wanted. */
export function ratioPlot(results) {
  const shown = results.filter(({ unit, skipped }) => unit === undefined && skipped === undefined)
  const wanted = ({ bar }) => bar.atLeast ?? bar.atMost
  const most = Math.max(1, ...shown.flatMap((result) => [result.figures.q3, wanted(result)])) * 1.05
  const x = (value) => LABELS + (value / most) * (WIDTH - LABELS - 80)
  const bars = shown.map((result, i) => {
    const { name, figures, bar, passes } = result
    const y = TOP + i * ROW
    const middle = y + ROW / 2
    return [
      text(LABELS - 8, middle + 4, name, 'end'),
      `<rect x="${LABELS}" y="${y + 7}" width="${round(x(figures.median) - LABELS)}" height="${ROW - 14}" fill="${HUES[passes ? 0 : 1]}"/>`,
      line(x(figures.q1), middle, x(figures.q3), middle, 'stroke-width="2"'),
      line(x(wanted(result)), y + 2, x(wanted(result)), y + ROW - 2, 'stroke-dasharray="3 2"'),
      text(
        WIDTH - 76,
        middle + 4,
        `${figure(figures.median)} ${bar.atLeast === undefined ? '≤' : '≥'} ${wanted(result)}`,
      ),
    ].join('\n')
  })
  return svg(TOP + shown.length * ROW + 12, 'Ratios: median, quartiles, and the bar to reach', bars)
}

/** A row's `plot`: `{ title, x: { label }, y: { label }, series: [{ name, points: [[x, y]] }] }`. */
export function linePlot({ title, x, y, series }) {
  const points = series.flatMap((one) => one.points)
  const mostX = Math.max(...points.map(([at]) => at))
  const mostY = Math.max(...points.map(([, value]) => value)) * 1.05
  const left = (at) => LEFT + (at / mostX) * (WIDTH - LEFT - RIGHT)
  const top = (value) => HEIGHT - BOTTOM - (value / mostY) * (HEIGHT - BOTTOM - TOP)
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => i / TICKS)
  return svg(HEIGHT, title, [
    ...ticks.map((part) => text(left(part * mostX), HEIGHT - BOTTOM + 18, figure(part * mostX), 'middle')),
    ...ticks.map((part) => text(LEFT - 8, top(part * mostY) + 4, figure(part * mostY), 'end')),
    ...ticks.map((part) => line(LEFT, top(part * mostY), WIDTH - RIGHT, top(part * mostY), 'opacity="0.3"')),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18, x.label, 'middle'),
    text(WIDTH - RIGHT, 22, y.label, 'end'),
    ...series.flatMap((one, i) => {
      const hue = HUES[i % HUES.length]
      const path = one.points.map(([at, value]) => `${round(left(at))},${round(top(value))}`).join(' ')
      return [
        `<polyline points="${path}" fill="none" stroke="${hue}" stroke-width="2"/>`,
        `<text x="${LEFT + 12}" y="${TOP + 16 + i * 18}" style="fill:${hue}">${escaped(one.name)}</text>`,
      ]
    }),
  ])
}
