import { expect, test } from 'vitest'
import { Generation } from '../../src/generation/generation.ts'
import { resolveGenerateOptions } from '../../src/options/generate.ts'
import { UNREAD_MS } from '../../src/scheduler/runs.ts'
import { samplingOf } from '../../src/server/api/sampling.ts'
import { resolveServerOptions } from '../../src/server/options.ts'

/** What a step would be told while a generation with these options is used. */
async function intervals(
  options: object,
  use: (generation: Generation) => Promise<unknown>,
): Promise<number[]> {
  const told: number[] = []
  const generation = new Generation(
    {
      start: async function* (demand) {
        yield { type: 'prompt', promptTokens: 1, dropped: [], fits: true }
        for (let token = 0; token < 3; token++) {
          told.push(demand.interval)
          const delta = { token, text: 'x', raw: 'x', reasoning: '', bytes: 1, logprob: undefined }
          yield { type: 'delta', ...delta, at: performance.now() }
        }
      },
    },
    resolveGenerateOptions(options),
    [],
  )
  await use(generation)
  return told
}
const read = async (generation: Generation) => {
  for await (const _ of generation);
}
const wait = (generation: Generation) => generation.result

test('streamInterval reaches the steps while a reader or a callback is active', async () => {
  expect(await intervals({ streamInterval: 77 }, read)).toEqual([77, 77, 77])
  expect(await intervals({ streamInterval: 77, callback: () => {} }, wait)).toEqual([77, 77, 77])
  expect(await intervals({}, read)).toEqual([8, 8, 8])
  expect(await intervals({ streamInterval: 77 }, wait)).toEqual([UNREAD_MS, UNREAD_MS, UNREAD_MS])
})

test('the server passes its streamInterval to each generation', () => {
  const of = (streamInterval?: number) =>
    samplingOf({}, 0, 10, resolveServerOptions({ streamInterval })).streamInterval
  expect([of(), of(5), of(0)]).toEqual([32, 5, 0])
  for (const wrong of [-1, 1001, Number.NaN, '8'])
    expect(() => resolveServerOptions({ streamInterval: wrong as number })).toThrow(/"streamInterval"/)
})
