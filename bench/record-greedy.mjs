// Records what llama-completion writes greedily into test/golden/greedy-smollm2.json, which test/parity compares our
// texts with: `node bench/record-greedy.mjs`, whenever vendor/llama.cpp changes.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { buildLlamaTools, llamaToolsRoom } from '../scripts/llama-tools.mjs'
import { inRoot, pins, realModel } from '../scripts/paths.mjs'
import { main, Stop, step } from '../scripts/steps.mjs'
import { CONTEXT, flagsFor, PROMPTS, TOKENS } from './greedy.mjs'
import { llamaCompletion } from './programs.mjs'

const THREADS = [1, 2]

main(import.meta.url, async () => {
  if (!existsSync(realModel)) throw new Stop('The real model is missing: run `npm run models:fetch`.')
  const tools = await llamaToolsRoom()
  await step('llama tools', (report) => buildLlamaTools(tools, report))
  const texts = []
  let kernels
  for (const threads of THREADS) {
    for (const prompt of PROMPTS) {
      const flags = flagsFor(threads)
      const written = await llamaCompletion(tools, { model: realModel, prompt, flags })
      kernels = written.kernels
      texts.push({ prompt, threads, text: written.text })
    }
  }
  const golden = {
    how: 'node bench/record-greedy.mjs',
    llamaCpp: pins['llama.cpp'].release,
    model: basename(realModel),
    arch: process.arch,
    kernels,
    tokens: TOKENS,
    context: CONTEXT,
    flags: flagsFor('<threads>'),
    texts,
  }
  const file = inRoot('test', 'golden', 'greedy-smollm2.json')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`)
  process.stderr.write(`${file}\n`)
})
