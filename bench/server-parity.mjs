// Our chat sessions against llama.cpp's own llama-server, built from the same tree: the same files, parameters and
// templates at temp 0, text for text. docs/gui-parity.md says more.
//
//   node bench/server-parity.mjs             compares, exit code 1 where a text differs
//   node bench/server-parity.mjs --record    also writes the server's answers to test/golden/llama-server.json
import { existsSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { GPT4All } from '../dist/index.js'
import { buildLlamaTools, llamaToolsRoom } from '../scripts/llama-tools.mjs'
import { withLock } from '../scripts/lock.mjs'
import { inRoot, pins, realModel } from '../scripts/paths.mjs'
import { main, Stop, step } from '../scripts/steps.mjs'
import { MODELS, ourAnswer, REQUEST, SERVER_FLAGS } from './conversations.mjs'
import { difference } from './greedy.mjs'
import { startServer } from './llama-server.mjs'

main(import.meta.url, async () => {
  if (!existsSync(realModel)) throw new Stop('The real model is missing: run `npm run models:fetch`.')
  const tools = await llamaToolsRoom('server')
  if (tools === undefined)
    throw new Stop('vendor/llama.cpp is not whole: run `npm run setup`, which fills it.')
  await withLock(() => step('llama-server', (report) => buildLlamaTools(tools, report)), tools.folder)
  const recorded = []
  for (const model of MODELS) recorded.push(await askServer(tools, model))
  if (process.argv.includes('--record')) write(recorded)
  let equal = 0
  let all = 0
  for (const { file, answers } of recorded) {
    for (const theirs of answers) {
      all++
      if (await compare(file, theirs)) equal++
    }
  }
  process.stdout.write(`${equal} of ${all} equal\n`)
  if (equal < all) process.exitCode = 1
})

/** What the server answers to each conversation: `{ file, kernels, answers }`. */
async function askServer(tools, { file, conversations }) {
  const server = await startServer(tools, { model: file, flags: SERVER_FLAGS })
  const answers = []
  try {
    for (const messages of conversations) {
      const { prompt } = await server.post('/apply-template', { messages })
      const { choices } = await server.post('/v1/chat/completions', { ...REQUEST, messages })
      const [{ message, finish_reason }] = choices
      answers.push({ messages, prompt, answer: message.content, finishReason: finish_reason })
    }
  } finally {
    await server.stop()
  }
  return { file, kernels: server.kernels, answers }
}

/** Prints a line; true where we answer the same. */
async function compare(file, { messages, ...theirs }) {
  const ours = await ourAnswer(GPT4All, file, messages)
  const parts = Object.keys(theirs).map((name) => [name, difference(ours[name], theirs[name])])
  const differing = parts.filter(([, found]) => found !== undefined)
  const title = `${basename(file)}: ${JSON.stringify(messages.at(-1).content)}`
  process.stdout.write(`${differing.length === 0 ? 'equal  ' : 'DIFFERS'} ${title}\n`)
  for (const [name, { at, ours, theirs }] of differing)
    process.stdout.write(
      `        ${name} at ${at}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}\n`,
    )
  return differing.length === 0
}

function write(recorded) {
  const golden = {
    how: 'node bench/server-parity.mjs --record',
    llamaCpp: pins['llama.cpp'].release,
    arch: process.arch,
    flags: SERVER_FLAGS,
    request: REQUEST,
    models: recorded.map(({ file, ...rest }) => ({ model: basename(file), ...rest })),
  }
  const file = inRoot('test', 'golden', 'llama-server.json')
  writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`)
  process.stderr.write(`${file}\n`)
}
