// What llama.cpp's own llama-embedding makes of the tiny encoders.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pins } from '../../../scripts/paths.mjs'
import { run } from '../../../scripts/process.mjs'
import { Stop } from '../../../scripts/steps.mjs'

const TEXTS = [
  'the cat sat in the rain',
  'a',
  'Zebra, quick? 42 - yes!',
  '  spaces   between\twords  ',
  'élan größer кот 猫',
  'the cat sat in the rain and waited for the train that never came because it was late again',
]
const PAIRS = [
  ['where did the cat sit?', 'the cat sat in the rain'],
  ['where did the cat sit?', 'trains are late'],
  ['where did the cat sit?', ''],
  ['a', 'b'],
  ['größer?', 'élan, кот and 猫'],
  ['rain', 'the cat sat in the rain and waited for the train that never came because it was late'],
]
/** llama-embedding ends without waiting for the thread that writes its answer, so that some of it may be missing. */
const TRIES = 20

/** `programs` are builds for kinds of CPUs, by name: they sum in other orders, and have other last bits. */
export async function recordLlama(programs, { folder, encoders, pair }, path) {
  const models = []
  for (const { name, pooling } of encoders) {
    const texts = pooling === 'rank' ? PAIRS.map((two) => two.join(pair)) : TEXTS
    const file = join(folder, `${name}.gguf`)
    const vectors = {}
    for (const [kind, program] of Object.entries(programs)) {
      vectors[kind] = []
      for (const text of texts) vectors[kind].push(await embed(program, { file, pooling, text, pair }))
    }
    models.push({ model: name, pooling, texts, vectors })
  }
  const lines = models.map((model) => `  ${JSON.stringify(model)}`).join(',\n')
  const head = `"how": "record.mjs llama", "llamaCpp": ${JSON.stringify(pins['llama.cpp'].release)}`
  writeFileSync(path, `{ ${head}, "models": [\n${lines}\n] }\n`)
}

async function embed(program, { file, pooling, text, pair }, tries = TRIES) {
  const { code, output } = await run(program, [
    ...['-m', file, '-p', text, '--pooling', pooling, '-t', '1', '-c', '256', '-b', '256', '-ub', '256'],
    ...['--embd-separator', '<#separator#>', '--cls-separator', pair, '--embd-output-format', 'raw'],
    // A ranker gives fewer numbers than llama-embedding would divide by.
    ...['--embd-normalize', pooling === 'rank' ? '-1' : '2'],
  ])
  const line = output.split('\n').find((line) => /^(-?\d+\.\d{7} ?)+$/.test(line.trim()))
  const vector = line?.trim().split(' ').map(Number)
  if (code === 0 && vector?.length === numbers(file, pooling)) return vector
  if (code === 0 && tries > 1) return embed(program, { file, pooling, text, pair }, tries - 1)
  throw new Stop(`llama-embedding failed on ${file} (code ${code}):\n${output}`)
}

const numbers = (file, pooling) => (pooling !== 'rank' ? 32 : file.includes('qwen3') ? 2 : 1)
