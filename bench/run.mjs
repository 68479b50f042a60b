// `npm run bench`: our public generate() against llama.cpp's own tools, built from the same tree, and other libraries.
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildLlamaTools, llamaToolsRoom } from '../scripts/llama-tools.mjs'
import { withLock } from '../scripts/lock.mjs'
import { inRoot, realModel } from '../scripts/paths.mjs'
import { setUp } from '../scripts/setup.mjs'
import { main, Stop, step } from '../scripts/steps.mjs'
import { prepareModels } from './models.mjs'
import { linePlot, ratioPlot } from './plot.mjs'
import { publish } from './publish.mjs'
import { judge, page } from './report.mjs'
import { rows } from './rows.mjs'

const BUSY = 0.25 // load per core above which the figures are worth little

const USAGE = `npm run bench                                  everything, 15 pairs
npm run bench -- --only decode,prefill         some rows
npm run bench -- --pairs 30 --threads 4 --model FILE.gguf
npm run bench -- --quick                       3 pairs: does it work, roughly
npm run bench -- --list                        the names of the rows, and what they are
npm run bench -- --strict                      exit code 1 where a bar is missed
npm run bench -- --docs                        puts the rows that were measured into docs/performance.md

The table goes to stdout, and with all figures to bench/results/ (latest.md, latest.json).
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  pairs: { type: 'string' },
  only: { type: 'string' },
  model: { type: 'string' },
  threads: { type: 'string' },
  quick: { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  docs: { type: 'boolean', default: false },
}

main(import.meta.url, async () => {
  const settings = readSettings(process.argv.slice(2))
  if (settings.help) return void process.stdout.write(USAGE)
  if (settings.list) {
    for (const { name, title } of settings.rows) process.stdout.write(`${name.padEnd(20)} ${title}\n`)
    return
  }
  if (settings.docs && (settings.quick || settings.model !== realModel))
    throw new Stop('--docs publishes whole runs of the model as published: leave out --quick and --model.')
  const prepared = await prepare()
  const machine = describeMachine()
  if (machine.loadBefore > BUSY * machine.cores) {
    process.stderr.write(
      `This machine is busy (load average ${machine.loadBefore.toFixed(2)}): ratios will scatter.\n`,
    )
  }
  const results = []
  for (const row of settings.rows) results.push(await measure(row, { ...settings, ...prepared }))
  const report = { machine: { ...machine, loadAfter: loadavg()[0] }, settings: plain(settings), results }
  write(report)
  if (settings.docs) publish(report)
  if (settings.strict && results.some(({ passes }) => passes === false)) process.exitCode = 1
})

async function measure(row, options) {
  let result
  await step(row.name, async (report) => {
    const onPair = (_, i) => report(`pair ${i + 1} of ${options.pairs}`, (i + 1) / options.pairs)
    const { values, note, measured, plot, skipped } = await row.measure({ ...options, onPair })
    const { name, title, unit, bar } = row
    if (skipped !== undefined) {
      result = { name, title, unit, bar, skipped }
      return `skipped: ${skipped}`
    }
    const { figures, figure, passes } = judge(row, values)
    result = { name, title, unit, bar, figure, passes, note, ...{ figures, values, measured, plot } }
    return `${figure.toFixed(3)}${unit ? ` ${unit}` : ''}: ${passes ? 'pass' : 'FAIL'} (${note})`
  })
  return result
}

/** What the rows measure with: llama.cpp's tools, and the files of bench/models.mjs. */
async function prepare() {
  await setUp()
  const tools = await llamaToolsRoom()
  await withLock(() => step('llama tools', (report) => buildLlamaTools(tools, report)), tools.folder)
  let models
  await withLock(() =>
    step('models', async (report) => {
      models = await prepareModels(tools, report)
    }),
  )
  return { tools, models }
}

function readSettings(args) {
  const values = parse(args)
  const wanted = values.only?.split(',') ?? rows.map((row) => row.name)
  const unknown = wanted.find((name) => !rows.some((row) => row.name === name))
  if (unknown !== undefined)
    throw new Stop(`There is no row "${unknown}": --only takes ${rows.map((row) => row.name).join(', ')}.`)
  return {
    pairs: count('pairs', values.pairs) ?? (values.quick ? 3 : 15),
    repetitions: values.quick ? 1 : 3,
    threads: count('threads', values.threads) ?? Math.min(2, availableParallelism()),
    model: values.model === undefined ? realModel : resolve(values.model),
    rows: rows.filter((row) => wanted.includes(row.name)),
    quick: values.quick,
    strict: values.strict,
    list: values.list,
    help: values.help,
    docs: values.docs,
  }
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values
  } catch (error) {
    throw new Stop(error.message)
  }
}

function count(name, text) {
  if (text === undefined || /^[1-9]\d*$/.test(text)) return text && Number(text)
  throw new Stop(`Expected a number of at least 1 for --${name} but received ${text}.`)
}

function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown CPU',
    cores: availableParallelism(),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    loadBefore: loadavg()[0],
  }
}

/** What of the settings is worth keeping: no path of this machine. */
const plain = ({ pairs, repetitions, threads, model }) => ({
  pairs,
  repetitions,
  threads,
  model: basename(model),
})

function write(report) {
  const folder = inRoot('bench', 'results')
  mkdirSync(folder, { recursive: true })
  const text = page(report)
  writeFileSync(`${folder}/latest.md`, text)
  writeFileSync(`${folder}/latest.json`, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(`${folder}/ratios.svg`, ratioPlot(report.results))
  for (const { name, plot } of report.results)
    if (plot !== undefined) writeFileSync(`${folder}/${name}.svg`, linePlot(plot))
  process.stdout.write(`\n${text}\n`)
}
