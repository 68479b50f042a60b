import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isGPT4AllError } from '../../src/index.ts'
import { download } from '../../src/models/download.ts'
import { seeded } from '../support/gguf-writer.ts'
import { FAULTS, type Fault, fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'

// `npm run campaign:downloads -- --count 200 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 60)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const LENGTH = 2_500_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const child = fileURLToPath(new URL('download-child.mjs', import.meta.url))

let server: HostileServer
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())

/** A download in a process of its own; resolves with what it says at its end. */
function inChild(
  url: string,
  folder: string,
  sum: string,
  limit = '',
): { process: ChildProcess; ended: Promise<string> } {
  const command = `${limit} exec "$0" "$@"`
  const args = ['-c', command, process.execPath, child, url, folder, sum]
  const started = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  let said = ''
  started.stdout?.on('data', (data) => {
    said += data
  })
  return { process: started, ended: new Promise((resolve) => started.once('close', () => resolve(said))) }
}

const KINDS = [
  'faults',
  'faults',
  'faults',
  'faults',
  'faults',
  'faults',
  'killed',
  'two processes',
  'disk full',
] as const

test(`${count} downloads from a hostile server (seed ${seed}): each is whole, or a typed error`, async () => {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  const tally = new Map<string, number>()
  for (let run = 0; run < count; run++) {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-downloads-'))
    const target = join(folder, 'model.gguf')
    const bytes = fileBytes(seed * 100_000 + run, LENGTH)
    const sum = md5(bytes)
    const kind = process.platform === 'win32' ? 'faults' : pick(KINDS)
    const faults: Fault[] =
      kind === 'faults' ? Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(FAULTS)) : []
    const url = server.host(`run-${run}`, { bytes, faults: kind === 'killed' ? ['stall'] : faults })
    const patience = { stallMs: 250, retryMs: 2, attempts: 4, staleMs: 2000 }
    const here = () =>
      download({
        url,
        target,
        size: random() < 0.5 ? LENGTH : undefined,
        checksum: { algorithm: 'md5', digest: sum },
        signal: new AbortController().signal,
        onProgress: undefined,
        logger: silent,
        patience,
      }).then(
        () => 'done',
        (error: unknown) => (isGPT4AllError(error) ? error.code : String(error)),
      )
    let outcome: string
    if (kind === 'killed') {
      const one = inChild(url, folder, sum)
      await new Promise((resolve) => one.process.once('message', resolve))
      one.process.kill('SIGKILL')
      await one.ended
      outcome = await here()
      expect(server.requests.at(-1)?.range, 'what the killed one had is gone on with').toMatch(/^bytes=[1-9]/)
    } else if (kind === 'two processes') {
      const said = await Promise.all([inChild(url, folder, sum).ended, inChild(url, folder, sum).ended])
      expect(said).toEqual(['done', 'done'])
      expect(server.requests.filter(({ path }) => path === `/run-${run}`)).toHaveLength(1)
      outcome = 'done'
    } else if (kind === 'disk full') {
      outcome = await inChild(url, folder, sum, 'ulimit -f 2000;').ended // 1 MB
      expect(outcome).toBe('ERR_DISK_SPACE')
    } else {
      outcome = await here()
    }
    const what = `run ${run}, seed ${seed}: ${kind} ${faults.join(', ')}: ${outcome}`
    expect(['done', 'ERR_DOWNLOAD', 'ERR_CHECKSUM', 'ERR_DISK_SPACE'], what).toContain(outcome)
    expect(existsSync(target), what).toBe(outcome === 'done')
    if (outcome === 'done') expect(readFileSync(target).equals(bytes), what).toBe(true)
    expect(
      readdirSync(folder).filter((name) => name.endsWith('.lock')),
      what,
    ).toEqual([])
    tally.set(`${kind}: ${outcome}`, (tally.get(`${kind}: ${outcome}`) ?? 0) + 1)
    rmSync(folder, { recursive: true })
  }
  console.log(`${count} downloads, seed ${seed}:`, Object.fromEntries([...tally].sort()))
})
