// `npm start`: sets everything up, then talks. Answers go to stdout, everything else to stderr.
//
//   npm start                       answers a few questions, then (on a terminal) yours
//   npm start -- "your question"    answers that one
//   npm start -- --model FILE.gguf --threads 4 "your question"
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chat } from './chat.mjs'
import { withLock } from './lock.mjs'
import { fetchModel } from './models-fetch.mjs'
import { embeddedModel, inRoot, realModel } from './paths.mjs'
import { setUp } from './setup.mjs'
import { main, Stop, step } from './steps.mjs'

const USAGE = 'npm start -- [--model FILE.gguf] [--threads N] ["your question"]'
const OPTIONS = {
  model: { type: 'string' },
  threads: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
}
// What these small models do well. Greedily, so that everybody sees the same; the larger one repeats itself without
// a penalty.
const EMBEDDED = {
  questions: ['What is the capital of France?', 'Write me a short poem.', 'Count from 1 to 12.'],
  sampling: { temp: 0, repeatPenalty: 1 },
}
const REAL = {
  questions: ['What is gravity?', 'Write a short poem about the sea.', 'Why is the sky blue?'],
  sampling: { temp: 0, repeatPenalty: 1.1 },
}

main(import.meta.url, async () => {
  const { values, positionals } = parse(process.argv.slice(2))
  if (values.help) return void process.stdout.write(`${USAGE}\n`)
  const threads = threadCount(values.threads)
  await setUp()
  const path = values.model === undefined ? await chooseModel() : resolve(values.model)
  const { GPT4All } = createRequire(import.meta.url)(inRoot('dist', 'index.cjs'))
  const name = basename(path)
  const model = new GPT4All(path, { nThreads: threads })
  await step('loading', async () => {
    await model.open().catch(explain)
    return name
  })
  const { questions, sampling } = path === embeddedModel ? EMBEDDED : REAL
  const asked = positionals.join(' ').trim()
  try {
    await chat(model, { questions: asked === '' ? questions : [asked], sampling, name })
  } finally {
    await model.close()
  }
})

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new Stop(`${error.message}\nUsage: ${USAGE}`)
  }
}

function threadCount(text) {
  if (text === undefined || /^[1-9]\d*$/.test(text)) return text && Number(text)
  throw new Stop(`Expected a number of at least 1 for --threads but received ${text}.`)
}

/** The library's own errors say all that there is to say. */
function explain(error) {
  throw typeof error.code === 'string' ? new Stop(error.message) : error
}

async function chooseModel() {
  if (existsSync(realModel)) return realModel
  try {
    await withLock(() => step('real model', (report) => fetchModel(report)))
    return realModel
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    process.stderr.write(`${error.message}\nUntil then the small embedded model answers.\n`)
    return embeddedModel
  }
}
