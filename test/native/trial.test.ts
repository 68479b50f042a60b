import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { lookAt } from '../../src/core/regular-file.ts'
import type { OpeningInput } from '../../src/loading/trial/opening.ts'
import { recall, tryOpening } from '../../src/loading/trial/trial.ts'
import { readGguf } from '../../src/models/gguf/header.ts'
import { TrialChild } from '../../src/native/child/trial-child.ts'
import { architectureModel } from '../support/architectures.ts'
import { GgufWriter } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import { binding } from '../support/native-models.ts'
import { TINY_MODELS, tinyModel } from '../support/tiny-models.ts'

const top = mkdtempSync(join(tmpdir(), 'gpt4all-trial-'))
afterAll(() => rmSync(top, { recursive: true, force: true }))

// What opened once is remembered in the home folder: an empty one, so that every file is new.
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(top, 'home-'))
  vi.stubEnv('HOME', folder)
  vi.stubEnv('USERPROFILE', folder)
  vi.stubEnv('XDG_CACHE_HOME', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
})
const isRemembered = () => existsSync(join(folder, '.cache/gpt4all-ts/opened'))

function save(name: string, bytes: Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** Larger than the embedded model, which is known by its bytes. */
const large = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(5 * 2 ** 20)])

/** No header check knows of it: with a tensor that it may have, the graph reads one that it has not. */
const crashing = () =>
  large(architectureModel('rwkv6qwen2').tensor('blk.0.time_mix_first.weight', [32, 2]).bytes())

const quiet = () => {}
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }

/** Reads the header of the file, then tries it once `meanwhile` has happened. */
async function tried(path: string, meanwhile = () => {}): Promise<void> {
  const header = await readGguf(path)
  meanwhile()
  const known = await recall(binding, path)
  const options = { keyType: 'f16', valueType: 'f16', flashAttention: 'auto', logger, known } as const
  try {
    await tryOpening(binding, header, [], options, new AbortController().signal)?.opens
  } finally {
    known.child?.dismiss()
  }
}

const CHANGED = {
  name: 'ModelError',
  code: 'ERR_MODEL_UNREADABLE',
  message: expect.stringMatching('changed while it was opened'),
}

describe('the trial of a model file', () => {
  test('does not mistake the embedded model for the file that was checked', async () => {
    const path = save('model.gguf', tinyModel('llama'))
    const opening = tried(path, () => copyFileSync(EMBEDDED, path))
    await expect(opening).rejects.toMatchObject(CHANGED)
    expect(isRemembered()).toBe(false)
  })

  test.skipIf(process.platform === 'win32')(
    'does not follow a link that leads elsewhere than when it was checked',
    async () => {
      save('crashing.gguf', crashing())
      save('good.gguf', large(tinyModel('llama')))
      const path = join(folder, 'model.gguf')
      const lead = (to: string) => {
        symlinkSync(join(folder, to), join(folder, 'link'))
        renameSync(join(folder, 'link'), path)
      }
      lead('crashing.gguf')
      await expect(tried(path, () => lead('good.gguf'))).rejects.toMatchObject(CHANGED)
      expect(isRemembered()).toBe(false)
      lead('crashing.gguf')
      await expect(tried(path)).rejects.toMatchObject({ code: 'ERR_MODEL_DAMAGED' })
      lead('good.gguf')
      await tried(path)
      expect(isRemembered()).toBe(true)
    },
  )

  test('is recalled when the file is opened again, until something writes to the file', async () => {
    const path = save('model.gguf', large(tinyModel('llama')))
    expect(await recall(binding, path)).toMatchObject({ child: expect.anything() })
    await tried(path)
    const { identity } = await lookAt(path, (why) => new Error(why))
    expect(await recall(binding, path)).toEqual({ passed: identity })
    appendFileSync(path, 'x')
    const { child, ...known } = await recall(binding, path)
    expect(known).toEqual({})
    child!.dismiss()
  })

  test('is not recalled where the child refuses the file, even if several openings wait for it', async () => {
    const lacking = TINY_MODELS.llama().removeTensor('blk.0.ffn_norm.weight')
    const path = save('model.gguf', large(lacking.bytes()))
    await Promise.all([tried(path), tried(path), tried(path)])
    const { child, ...known } = await recall(binding, path)
    expect(known).toEqual({})
    child!.dismiss()
  })

  const split = () => {
    const part = (file: GgufWriter, no: number) =>
      file.set('split.count', 'u16', 2).set('split.no', 'u16', no).set('split.tensors.count', 'i32', 20)
    const first =
      TINY_MODELS.llama() // of 20 tensors
        .removeTensor('output_norm.weight')
    const second = part(new GgufWriter().tensor('output_norm.weight', [32]), 1)
    return {
      path: save('model-00001-of-00002.gguf', large(part(first, 0).bytes())),
      second: save('model-00002-of-00002.gguf', second.bytes()),
      other: save('other.gguf', second.tensor('output_norm.weight', [32]).bytes()),
    }
  }

  test('opens all parts of a split model', async () => {
    await tried(split().path)
    expect(isRemembered()).toBe(true)
  })

  test('does not mistake another second part for the one that was checked', async () => {
    const { path, second, other } = split()
    const opening = tried(path, () => renameSync(other, second))
    await expect(opening).rejects.toMatchObject(CHANGED)
    expect(isRemembered()).toBe(false)
  })
})

/** Tries the embedded model in a child process, within these limits. */
async function triedWithin(limits: Partial<typeof UNLIMITED>) {
  const { files } = await readGguf(EMBEDDED)
  const cache = { keyType: 'f16', valueType: 'f16', flashAttention: 'auto' } as const
  const input: OpeningInput = { parts: files, adapters: [], links: [], cache }
  return new TrialChild('opening', 'trial', binding).try({ input, ...UNLIMITED, ...limits })
}

/** More time than timers of Node.js can count. */
const UNLIMITED = { limitMs: 2 ** 40, limitBytes: 2 ** 40, giveUpMs: 2 ** 40 }

test('a child process may be given more time than timers of Node.js can count', async () => {
  expect(await triedWithin({})).toMatchObject({ end: 'well', step: 'closing it', word: undefined })
})

test.each([
  ['time', { limitMs: 0 }],
  ['memory', { limitBytes: 1 }],
])('a child process that takes more %s than it may is ended, and reports its step', async (end, limit) => {
  expect(await triedWithin(limit)).toMatchObject({ end, step: expect.any(String) })
})
