import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isGPT4AllError } from '../../src/index.ts'
import { type DownloadRequest, download } from '../../src/models/download/download.ts'
import { ForwardProxy } from '../support/forward-proxy.ts'
import { seeded } from '../support/gguf-writer.ts'
import { FAULTS, type Fault, fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { until } from '../support/until.ts'
import { ASTRAY, PLACES, withPlace } from './hostile-places.ts'

// `npm run campaign:downloads -- --count 200 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 60)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const LENGTH = 2_500_000
const NOTHING = { bytes: Buffer.alloc(0), faults: [] }
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const child = fileURLToPath(new URL('download-child.mjs', import.meta.url))

let server: HostileServer
let proxy: ForwardProxy
beforeAll(async () => {
  server = await HostileServer.start()
  proxy = await ForwardProxy.start({
    hosts: { 'models.example': new URL(server.host('moves', NOTHING)).host },
  })
  vi.stubEnv('HTTP_PROXY', `http://${proxy.host}`)
  vi.stubEnv('NO_PROXY', '127.0.0.1,localhost')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await Promise.all([server.close(), proxy.close()])
})

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
  'killed',
  'killed',
  'two processes',
  'disk full',
  'hostile place',
  'hostile place',
  'led astray',
] as const
/** Those that a process with the usual patience gets over in a second. */
const QUICK = FAULTS.filter((fault) => !['stall', 'silence'].includes(fault))
const PATIENCE = { stallMs: 250, retryMs: 2, attempts: 4, staleMs: 2000 }
const TYPED = ['done', 'ERR_DOWNLOAD', 'ERR_CHECKSUM', 'ERR_DISK_SPACE']
const told = [() => 'done', (error: unknown) => (isGPT4AllError(error) ? error.code : String(error))] as const
/** A download here takes about as long. */
const LIFE_MS = 120

test(`${count} downloads from a hostile server (seed ${seed}): each is whole, or a typed error`, async () => {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  const some = (list: readonly Fault[], most: number) =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, () => pick(list))
  const tally = new Map<string, number>()
  const tell = (what: string) => void tally.set(what, (tally.get(what) ?? 0) + 1)
  for (let run = 0; run < count; run++) {
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-downloads-'))
    const target = join(folder, 'model.gguf')
    const bytes = fileBytes(seed * 100_000 + run, LENGTH)
    const sum = md5(bytes)
    const kind = process.platform === 'win32' ? 'faults' : pick(KINDS)
    const faults: Record<typeof kind, () => Fault[]> = {
      faults: () => [pick(FAULTS), ...some(FAULTS, 3)],
      // What comes after the one that hangs meets the process that goes on.
      killed: () => (random() < 0.5 ? ['stall', ...some(FAULTS, 2)] : some(QUICK, 2)),
      'two processes': () => some(QUICK, 1),
      'disk full': () => [],
      'hostile place': () => some(QUICK, 1),
      'led astray': () => [],
    }
    const planned = faults[kind]()
    const url = server.host(`run-${run}`, { bytes, faults: planned })
    const size = random() < 0.5 ? LENGTH : undefined
    const request: DownloadRequest = {
      url,
      target,
      size,
      checksum: { algorithm: 'md5', digest: sum },
      signal: new AbortController().signal,
      onProgress: undefined,
      logger: silent,
      patience: PATIENCE,
    }
    const here = () => download(request).then(...told)
    const what = () => `run ${run}, seed ${seed}: ${kind} ${planned.join(', ')}`
    const asked = () => server.requests.filter(({ path }) => path === `/run-${run}`)
    const expectWholeOrNothing = () => {
      if (existsSync(target)) expect(readFileSync(target).equals(bytes), what()).toBe(true)
    }
    let outcome: string
    if (kind === 'killed') {
      const one = inChild(url, folder, sum)
      await new Promise((resolve) => one.process.once('message', resolve))
      // At any moment, of which most are those while there is something to lose.
      if (random() < 0.8) await until(() => expect(asked().length).toBeGreaterThan(0), 1)
      await new Promise((resolve) => setTimeout(resolve, random() * LIFE_MS))
      one.process.kill('SIGKILL')
      await one.ended
      expectWholeOrNothing()
      const had = existsSync(`${target}.part`) ? statSync(`${target}.part`).size : 0
      tell(`killed with ${existsSync(target) ? 'the file' : had > 0 ? 'a part' : 'nothing'}`)
      const before = asked().length
      outcome = await here()
      if (asked()[before]?.range) tell('gone on after a kill')
    } else if (kind === 'two processes') {
      const said = await Promise.all([inChild(url, folder, sum).ended, inChild(url, folder, sum).ended])
      for (const outcome of said) expect(TYPED, what()).toContain(outcome)
      if (planned.length === 0) expect(asked(), what()).toHaveLength(1)
      outcome = said.find((one) => one === 'done') ?? said[0]!
    } else if (kind === 'disk full') {
      expect(await inChild(url, folder, sum, 'ulimit -f 2000;').ended).toBe('ERR_DISK_SPACE') // 1 MB
      expect(existsSync(target), what()).toBe(false)
      outcome = await here()
      expect(asked().at(-1)?.range, what()).toMatch(/^bytes=[1-9]/)
      expect(outcome, what()).toBe('done')
    } else if (kind === 'hostile place') {
      const place = pick(PLACES)
      const placed = await withPlace(place, target, join(folder, 'victim'), here)
      expect(placed.isHarmless, `${what()} ${place.what}`).toBe(true)
      outcome = placed.outcome
      tell(`${place.what.replace(/ as .*/, '')}: ${outcome}`)
    } else if (kind === 'led astray') {
      const location = pick(ASTRAY(new URL(url).port))
      server.host('moves', { bytes, faults: [], location })
      const before = server.requests.length
      outcome = await download({ ...request, url: 'http://models.example/moves' }).then(...told)
      const paths = server.requests.slice(before).map(({ path }) => path)
      expect([location, outcome, ...paths], what()).toEqual([location, 'ERR_DOWNLOAD', '/moves'])
    } else {
      outcome = await here()
    }
    expect(TYPED, what()).toContain(outcome)
    if (kind !== 'hostile place') {
      expect(existsSync(target), what()).toBe(outcome === 'done')
      expectWholeOrNothing()
      const locks = readdirSync(folder).filter((name) => name.endsWith('.lock'))
      expect(locks, what()).toEqual([])
    }
    for (const { fault } of asked()) if (fault) tell(`fault: ${fault}`)
    tell(`${kind}: ${outcome}`)
    rmSync(folder, { recursive: true })
  }
  console.log(`${count} downloads, seed ${seed}:`, Object.fromEntries([...tally].sort()))
  // A campaign of this length has met everything.
  if (count >= 200) expect(FAULTS.filter((fault) => !tally.has(`fault: ${fault}`))).toEqual([])
})
