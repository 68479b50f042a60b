import {
  copyFileSync,
  linkSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { NativeModel, NativeModelParams } from '../../src/native/contract.ts'
import { writeAdapter } from '../support/adapter.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import { binding, continueGreedily, LOAD, SHAPE, tokens } from '../support/native-models.ts'
import { TINY_MODELS } from '../support/tiny-models.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-shared-'))
afterAll(() => rmSync(folder, { recursive: true }))

const path = join(folder, 'model.gguf')
beforeEach(() => {
  rmSync(path, { force: true })
  copyFileSync(EMBEDDED, path) // a file of its own, which no other test has open
})

const load = (params: Partial<NativeModelParams> = {}, file = path) =>
  binding.Model.load(file, { ...LOAD, ...params }).promise

/** What each of these loads says of sharing, one after another; all are open until the last is. */
async function shared(...loads: (() => Promise<NativeModel>)[]): Promise<boolean[]> {
  const models: NativeModel[] = []
  for (const one of loads) models.push(await one())
  for (const one of models) one.close()
  return models.map((one) => one.info.shared)
}

describe('the weights of a file', () => {
  test('are loaded once, and again after their last model is closed', async () => {
    expect(await shared(load, load, load)).toEqual([false, true, true])
    expect(await shared(load, load)).toEqual([false, true])
  })

  test('are kept as long as one of their models or contexts', async () => {
    const [first, second] = [await load(), await load()]
    const context = await binding.Context.create(second, SHAPE)
    const prompt = tokens(first, 'The capital of France is')
    first.close()
    const said = await continueGreedily(context, second, prompt)
    second.close()
    const third = await load()
    expect(third.info.shared).toBe(true)
    await context.close()
    const fresh = await binding.Context.create(third, SHAPE)
    expect(await continueGreedily(fresh, third, prompt)).toEqual(said)
    await fresh.close()
    third.close()
    expect(await shared(load)).toEqual([false])
  })

  test('are known as loaded while a model has them', async () => {
    const isLoaded = (params: Partial<NativeModelParams> = {}) =>
      binding.Model.isLoaded(path, { ...LOAD, ...params })
    expect(isLoaded()).toBe(false)
    const model = await load()
    expect([isLoaded(), isLoaded({ vocabOnly: true })]).toEqual([true, false])
    model.close()
    expect(isLoaded()).toBe(false)
    expect(binding.Model.isLoaded(join(folder, 'absent.gguf'), LOAD)).toBe(false)
  })

  // Windows tells files by their paths, and lets nobody replace one that is in use.
  test.skipIf(process.platform === 'win32')('are shared under another name of the file', async () => {
    const [hard, soft] = [join(folder, 'hard.gguf'), join(folder, 'soft.gguf')]
    linkSync(path, hard)
    symlinkSync(path, soft)
    expect(
      await shared(
        load,
        () => load({}, hard),
        () => load({}, soft),
      ),
    ).toEqual([false, true, true])
  })

  test.skipIf(process.platform === 'win32')(
    'are loaded again after the file was replaced or written to',
    async () => {
      const replace = () => {
        copyFileSync(EMBEDDED, `${path}.new`)
        renameSync(`${path}.new`, path)
        return load()
      }
      const write = () => {
        utimesSync(path, new Date(1e12), new Date(1e12))
        return load()
      }
      expect(await shared(load, replace, load, write, load)).toEqual([false, false, true, false, true])
    },
  )

  test.skipIf(process.platform === 'win32')('are those of all parts of a split model', async () => {
    const first = join(folder, 'split-00001-of-00002.gguf')
    const second = join(folder, 'split-00002-of-00002.gguf')
    const tensors = 20 // of the whole model
    const part = (file: GgufWriter, no: number) =>
      file.set('split.no', 'u16', no).set('split.count', 'u16', 2).set('split.tensors.count', 'i32', tensors)
    writeFileSync(first, part(TINY_MODELS.llama().removeTensor('output_norm.weight'), 0).bytes())
    const writeSecond = () => {
      writeFileSync(`${second}.new`, part(new GgufWriter().tensor('output_norm.weight', [32]), 1).bytes())
      renameSync(`${second}.new`, second)
    }
    writeSecond()
    const open = () => load({}, first)
    const replaceSecond = () => {
      writeSecond()
      return open()
    }
    expect(await shared(open, open, replaceSecond, open)).toEqual([false, true, false, true])
  })

  test('are shared with the same adapters only, in the same order', async () => {
    const [one, other] = [join(folder, 'one.gguf'), join(folder, 'other.gguf')]
    for (const file of [one, other]) writeFileSync(file, (await writeAdapter()).bytes())
    const lists = [[], [one], [one, other], [other, one], [one, other], [one]]
    const loads = lists.map((adapters) => () => load({ adapters }))
    expect(await shared(...loads)).toEqual([false, false, false, false, true, true])
  })

  test('are not shared with a model that has the vocabulary only', async () => {
    const vocabOnly = () => load({ vocabOnly: true })
    expect(await shared(vocabOnly, load, vocabOnly)).toEqual([false, false, true])
  })
})

describe('loads at the same time', () => {
  test('happen once: all wait for the first', async () => {
    const heard = [0, 0, 0, 0]
    const loads = heard.map(
      (_, i) =>
        binding.Model.load(path, LOAD, (fraction) => {
          heard[i] = fraction
        }).promise,
    )
    const models = await Promise.all(loads)
    expect(models.map(({ info }) => info.shared).sort()).toEqual([false, true, true, true])
    expect(heard).toEqual([1, 1, 1, 1])
    for (const one of models) one.close()
  })

  test('are cancelled separately: one that is cancelled ends no other', async () => {
    for (let i = 0; i < 30; i++) {
      const loads = [0, 1, 2].map(() => binding.Model.load(path, LOAD))
      for (let turn = 0; turn < i % 6; turn++) await new Promise((resolve) => setImmediate(resolve))
      loads[i % 3]!.cancel()
      const ended = await Promise.allSettled(loads.map(({ promise }) => promise))
      const models = ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      expect(models.length).toBeGreaterThanOrEqual(2)
      for (const one of ended)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ERR_ABORTED' })
      for (const one of models) one.close()
    }
    expect(binding.Model.isLoaded(path, LOAD)).toBe(false)
  })

  test('all fail with the same message', async () => {
    const bad = join(folder, 'bad.gguf')
    writeFileSync(bad, 'no model')
    const ended = await Promise.allSettled([1, 2, 3].map(() => load({}, bad)))
    const reasons = ended.map((one) => one.status === 'rejected' && one.reason)
    expect(reasons[0]).toMatchObject({ code: 'ERR_LOAD' })
    for (const reason of reasons) expect(reason).toEqual(reasons[0])
  })
})
