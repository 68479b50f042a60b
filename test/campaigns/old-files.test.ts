import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writevSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { oldModelParts } from '../support/ggml-writer.ts'
import { seeded } from '../support/gguf-writer.ts'
import {
  type Described,
  describeGguf,
  greedyTokens,
  OLD_FILES,
  oldFile,
  sha256,
} from '../support/old-files.ts'

// llama.cpp's own converter, the judge of ours, runs under an old gguf only. `GGUF_PYTHON` names a Python that has it:
//
//   python3 -m venv judge && judge/bin/pip install gguf==0.6.0 'numpy<2'
//   GGUF_PYTHON=judge/bin/python npm run campaign:old-files            compares it with test/golden/ggml.json
//   GGUF_PYTHON=judge/bin/python npm run campaign:old-files -- --all   and writes that file anew
const python = process.env.GGUF_PYTHON
const golden = join(import.meta.dirname, '..', 'golden', 'ggml.json')
const script = join(import.meta.dirname, '..', 'golden', 'ggml.py')

test.skipIf(!python)(
  'the golden file equals what llama.cpp makes of these old files today (needs GGUF_PYTHON)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-judge-'))
    try {
      const files = OLD_FILES.map((name) => join(folder, name))
      for (const [i, file] of files.entries()) writeFileSync(file, oldFile(OLD_FILES[i] ?? ''))
      const { status, stdout, stderr } = spawnSync(python ?? '', [script, folder, ...files], {
        encoding: 'utf8',
      })
      expect(status, stderr).toBe(0)
      const described: Record<string, Described> = JSON.parse(stdout)
      for (const name of OLD_FILES) {
        const greedy = await greedyTokens(join(folder, `${name}.oracle.gguf`))
        described[name] = { ...(described[name] as Described), greedy }
      }
      if (process.env.CAMPAIGN_ALL) writeFileSync(golden, `${JSON.stringify(described, null, 1)}\n`)
      expect(described).toEqual(JSON.parse(readFileSync(golden, 'utf8')))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

// `npm run campaign:old-files -- --count 40 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 10)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)
const child = fileURLToPath(new URL('retrieve-child.mjs', import.meta.url))

/** As many as LLaMA has. */
const TOKENS = Array.from({ length: 31_700 }, (_, i) => `token ${i}`)

/** An old file of `layers` times 64 MiB. */
function putLarge(folder: string, layers: number): string {
  const path = join(folder, 'large.bin')
  const file = openSync(path, 'w')
  for (const part of oldModelParts({
    magic: 'ggjt',
    version: 3,
    width: 1024,
    layers,
    tokens: TOKENS,
    empty: true,
  }))
    writevSync(file, [part])
  closeSync(file)
  return path
}

/** Retrieves the model in a process of its own; resolves with what it says at its end. */
function inChild(path: string, limit = ''): { process: ChildProcess; ended: Promise<Said | undefined> } {
  const command = `${limit} exec "$0" "$@"`
  const started = spawn('sh', ['-c', command, process.execPath, child, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  started.stdout?.on('data', (data) => {
    said += data
  })
  const ended = new Promise<Said | undefined>((resolve) =>
    started.once('close', () => resolve(said === '' ? undefined : JSON.parse(said))),
  )
  return { process: started, ended }
}

type Said = { readonly outcome: string; readonly grewBytes: number }

describe.skipIf(process.platform === 'win32')('converting an old file in another process', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gpt4all-converting-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('takes at most 64 MiB of memory for 1 GiB', async () => {
    const path = putLarge(folder, 16)
    expect(statSync(path).size).toBeGreaterThan(2 ** 30)
    const said = await inChild(path).ended
    expect(said?.outcome).toBe('done')
    console.log(
      `converting ${statSync(path).size} bytes: RSS grew by ${((said?.grewBytes ?? 0) / 2 ** 20).toFixed(1)} MiB`,
    )
    expect(said?.grewBytes).toBeLessThanOrEqual(64 * 2 ** 20)
  })

  test(`leaves a whole file or none when it is killed at ${count} moments (seed ${seed})`, async () => {
    const random = seeded(seed)
    const path = putLarge(folder, 1)
    await inChild(path).ended
    const whole = statSync(`${path}.gguf`).size
    const sum = sha256(readFileSync(`${path}.gguf`))
    let killed = 0
    for (let run = 0; run < count; run++) {
      rmSync(`${path}.gguf`, { force: true })
      const { process: running, ended } = inChild(path)
      // Somewhere from before the first byte to after the last.
      const moment = Math.floor((random() * 1.2 - 0.1) * whole)
      const watch = setInterval(() => {
        const part = readdirSync(folder).find((name) => name.endsWith('.part'))
        const size = part ? (statSync(join(folder, part), { throwIfNoEntry: false })?.size ?? -1) : -1
        if (size >= moment) running.kill('SIGKILL')
      }, 1)
      if ((await ended) === undefined) killed++
      clearInterval(watch)
      if (existsSync(`${path}.gguf`)) expect(sha256(readFileSync(`${path}.gguf`)), `run ${run}`).toBe(sum)
    }
    expect(killed).toBeGreaterThan(0)
    // Two that find the lock and the part of a dead one.
    rmSync(`${path}.gguf`, { force: true })
    const outcomes = await Promise.all([inChild(path).ended, inChild(path).ended])
    expect(outcomes.map((said) => said?.outcome)).toEqual(['done', 'done'])
    expect(readdirSync(folder).sort()).toEqual(['large.bin', 'large.bin.gguf'])
    expect((await describeGguf(`${path}.gguf`)).metadata['llama.block_count']).toBe(1)
  })

  test('is a typed error on a full disk, and leaves no files', async () => {
    const path = putLarge(folder, 1)
    const said = await inChild(path, 'ulimit -f 20000;').ended // 10 MB
    expect(said?.outcome).toBe('ERR_DISK_SPACE')
    expect(readdirSync(folder)).toEqual(['large.bin'])
  })
})
