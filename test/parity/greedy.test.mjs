import { expect, test } from 'vitest'
import { CONTEXT, flagsFor, PROMPTS, TOKENS } from '../../bench/greedy.mjs'
import { kernelsOf } from '../../bench/programs.mjs'
import { pins } from '../../scripts/paths.mjs'
import { compareGreedy, golden } from './compare.mjs'

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

test("the kernels in llama.cpp's system info do not include how its threads are made", () => {
  const line =
    'system_info: n_threads = 2 | CPU : SSE3 = 1 | AVX512 = 0 | AVX2 = 1 | OPENMP = 1 | REPACK = 1 | '
  expect(kernelsOf(line)).toBe('SSE3 AVX2 REPACK')
})

compareGreedy(1)
