// `npm start`: sets everything up, then talks. Answers go to stdout, everything else to stderr.
//
//   npm start                       answers a few questions, then (on a terminal) yours
//   npm start -- "your question"    answers that one
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { relative } from 'node:path'
import { chat } from './chat.mjs'
import { fetchModel } from './models-fetch.mjs'
import { embeddedModel, inRoot, realModel, root } from './paths.mjs'
import { setUp } from './setup.mjs'
import { main, Stop, step } from './steps.mjs'

const QUESTIONS = {
  real: ['What is the capital of France?', 'Write a short poem about the sea.', 'Why is the sky blue?'],
  embedded: ['What is the capital of France?', 'Write me a short poem.', 'Count from 1 to 12.'],
}

main(import.meta.url, async () => {
  await setUp()
  const kind = await chooseModel()
  const path = kind === 'real' ? realModel : embeddedModel
  const { GPT4All } = createRequire(import.meta.url)(inRoot('dist', 'index.cjs'))
  let model
  await step('loading', async () => {
    model = await GPT4All.load(path)
    return relative(root, path)
  })
  const asked = process.argv.slice(2).join(' ').trim()
  try {
    await chat(model, { questions: asked === '' ? QUESTIONS[kind] : [asked], name: relative(root, path) })
  } finally {
    await model.close()
  }
})

async function chooseModel() {
  if (existsSync(realModel)) return 'real'
  try {
    await step('real model', (report) => fetchModel(report))
    return 'real'
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    process.stderr.write(`${error.message}\nUntil then the small embedded model answers.\n`)
    return 'embedded'
  }
}
