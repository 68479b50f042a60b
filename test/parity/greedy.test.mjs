// Greedy texts of ours against those that llama.cpp's own llama-completion wrote, recorded by bench/record-greedy.mjs.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { CONTEXT, flagsFor, PROMPTS, TOKENS } from '../../bench/greedy.mjs'
import { kernelsOf, llamaCompletion } from '../../bench/programs.mjs'
import { areBuilt, llamaToolsRoom } from '../../scripts/llama-tools.mjs'
import { pins } from '../../scripts/paths.mjs'
import { GPT4All } from '../../src/index.ts'
import { loadBinding } from '../../src/native/binding.ts'
import { hasReal, REAL } from '../support/models.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/greedy-smollm2.json', import.meta.url), 'utf8'))

/** Kernels for other CPU features add in another order, so two all but equal logits may change places. */
const kernels = kernelsOf(loadBinding().systemInfo)
const comparable = golden.arch === process.arch && golden.kernels === kernels
const tools = comparable ? undefined : await llamaToolsRoom()
const live = areBuilt(tools)

/** What llama-completion writes: as recorded, or by asking it now. */
const expected = async ({ prompt, threads, text }) =>
  comparable ? text : (await llamaCompletion(tools, { model: REAL, prompt, flags: flagsFor(threads) })).text

if (hasReal && !comparable && !live) {
  console.warn(
    `The greedy texts were recorded with other kernels (${golden.arch} ${golden.kernels}) than this build's ` +
      `(${process.arch} ${kernels}), so they are not compared: run \`node scripts/llama-tools.mjs\` to compare with ` +
      'llama-completion itself.',
  )
}

test('the golden was recorded from this llama.cpp, with these prompts and flags', () => {
  expect(golden).toMatchObject({
    llamaCpp: pins['llama.cpp'].release,
    flags: flagsFor('<threads>'),
    tokens: TOKENS,
    context: CONTEXT,
  })
  for (const threads of [1, 2]) {
    const recorded = golden.texts.filter((entry) => entry.threads === threads)
    expect(recorded.map((entry) => entry.prompt)).toEqual(PROMPTS)
  }
})

test('kernels are read from what llama.cpp says of itself, how its threads are made is none of them', () => {
  const line =
    'system_info: n_threads = 2 | CPU : SSE3 = 1 | AVX512 = 0 | AVX2 = 1 | OPENMP = 1 | REPACK = 1 | '
  expect(kernelsOf(line)).toBe('SSE3 AVX2 REPACK')
})

describe.skipIf(!hasReal || !(comparable || live))('greedy text equals llama-completion', () => {
  // ggml's threads wait for one another by spinning, which is slow beyond measure beside another busy test file: one
  // prompt is enough to see that two threads add as llama-completion's do. `npm run bench -- --only parity` has all.
  for (const [threads, prompts] of [
    [1, PROMPTS.length],
    [2, 1],
  ]) {
    test.skipIf(threads > availableParallelism())(
      `with ${threads} threads`,
      async () => {
        const model = await GPT4All.load(REAL, { nThreads: threads, nCtx: CONTEXT })
        for (const entry of golden.texts.filter((text) => text.threads === threads).slice(0, prompts)) {
          const options = { temp: 0, repeatPenalty: 1, maxTokens: TOKENS }
          const text = await model.generate(entry.prompt, options)
          expect({ prompt: entry.prompt, text }).toEqual({
            prompt: entry.prompt,
            text: await expected(entry),
          })
        }
        await model.close()
      },
      300_000,
    )
  }
})
