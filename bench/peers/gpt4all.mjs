// gpt4all 4.0.0 of npm, on its llama.cpp of 2024: see answer.mjs. It ends at the model's end of text, so its prompts
// are those that ours.mjs found the answers to be long enough for.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import gpt4all from 'gpt4all'
import { answer, stopwatch } from './answer.mjs'

const BATCH = 512

await answer({ about, speed })

async function open({ model, threads, nCtx }) {
  // Without a list of its own it asks the network for one.
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-peer-'))
  const modelConfigFile = join(folder, 'models.json')
  const filename = basename(model)
  writeFileSync(modelConfigFile, JSON.stringify([{ filename, promptTemplate: '%1', systemPrompt: '' }]))
  try {
    const modelPath = dirname(model)
    const options = { modelPath, modelConfigFile, allowDownload: false, device: 'cpu', nCtx }
    const opened = await gpt4all.loadModel(filename, options)
    opened.llm.setThreadCount(threads)
    return opened
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function about(options) {
  await open(options)
  const { version } = JSON.parse(
    readFileSync(new URL('../node_modules/gpt4all/package.json', import.meta.url), 'utf8'),
  )
  return { version }
}

/** `{ promptTokens, firstMs, decode }` of each prompt, after the first one once more to warm up. */
async function speed({ prompts, tokens, batch = BATCH, ...options }) {
  const model = await open(options)
  const runs = []
  for (const prompt of [prompts[0], ...prompts]) {
    const watch = stopwatch()
    const { tokensIngested } = await model.generate(prompt, {
      ...{ promptTemplate: '%1', nPast: 0, nPredict: tokens, nBatch: batch },
      ...{ temp: 0, topK: 1, topP: 1, repeatPenalty: 1 },
      onResponseToken: watch.token,
    })
    runs.push({ promptTokens: tokensIngested, ...watch.done(tokens) })
  }
  return runs.slice(1)
}
