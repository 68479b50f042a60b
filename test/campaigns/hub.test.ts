import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isGPT4AllError } from '../../src/index.ts'
import { downloadFromHub } from '../../src/models/hub/download.ts'
import { localName, parseHubName } from '../../src/models/hub/name.ts'
import { ForwardProxy } from '../support/forward-proxy.ts'
import { seeded } from '../support/gguf-writer.ts'
import { FAULTS, type Fault, fileBytes } from '../support/hostile-server.ts'
import { HubServer, sha256 } from '../support/hub-server.ts'
import { ASTRAY } from './hostile-places.ts'
import { LISTINGS } from './hub-faults.ts'

// `npm run campaign:hub -- --count 200 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 40)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const PATIENCE = { stallMs: 250, retryMs: 2, attempts: 4, staleMs: 2000 }
const TYPED = ['done', 'ERR_DOWNLOAD', 'ERR_CHECKSUM', 'ERR_DISK_SPACE', 'ERR_MODEL_NOT_FOUND']
const told = [() => 'done', (error: unknown) => (isGPT4AllError(error) ? error.code : String(error))] as const
/** A download here takes about as long. */
const LIFE_MS = 60

let hub: HubServer
let proxy: ForwardProxy
beforeAll(async () => {
  hub = await HubServer.start()
  proxy = await ForwardProxy.start({ hosts: { 'hub.example': new URL(hub.endpoint).host } })
  vi.stubEnv('HTTP_PROXY', `http://${proxy.host}`)
  vi.stubEnv('NO_PROXY', '127.0.0.1,localhost')
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) vi.stubEnv(name, '')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await Promise.all([hub.close(), proxy.close()])
})

const sumsOf = (files: Readonly<Record<string, Buffer>>) => Object.values(files).map(sha256)

const PLACES = ['listing', 'way', 'file'] as const
const OTHER = ['led astray', 'changed files', 'aborted', 'two at once', 'no access'] as const

/** All that can go wrong, shuffled, so that a short campaign meets some of each kind. */
function cases(random: () => number): readonly (readonly [kind: string, what: string])[] {
  const kinds = [
    Object.keys(LISTINGS).map((what) => ['listing', what] as const),
    FAULTS.flatMap((fault) => PLACES.map((place) => [`fault at the ${place}`, fault] as const)),
    OTHER.flatMap((kind) => [1, 2, 3, 4].map((nth) => [kind, String(nth)] as const)),
  ].map((list) => list.map((one) => ({ one, place: random() })).sort((a, b) => a.place - b.place))
  return kinds
    .flatMap((list) => list.map(({ one }, i) => ({ one, place: (i + 0.5) / list.length })))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one)
}

test(`${count} downloads from a hostile hub (seed ${seed}): no file has its name unverified`, async () => {
  const random = seeded(seed)
  const order = cases(random)
  const tally = new Map<string, number>()
  const tell = (what: string) => void tally.set(what, (tally.get(what) ?? 0) + 1)
  for (let run = 0; run < count; run++) {
    const [kind, what] = order[run % order.length]!
    const isSplit = random() < 0.5
    const parts = Array.from({ length: isSplit ? 3 : 1 }, (_, i) =>
      fileBytes(seed * 1e6 + run * 10 + i, 200_000),
    )
    const paths = parts.map((_, i) => (isSplit ? `m/m-Q4_K_M-0000${i + 1}-of-00003.gguf` : 'm-Q4_K_M.gguf'))
    const files = Object.fromEntries(paths.map((path, i) => [path, parts[i]!]))
    const victim = Math.floor(random() * parts.length)
    const owner = `run-${run}`
    const name = parseHubName(`hf:${owner}/model`, 'name')
    const root = mkdtempSync(join(tmpdir(), 'gpt4all-hub-'))
    const folder = join(root, 'a', 'models')
    mkdirSync(folder, { recursive: true })
    vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    const options: Parameters<HubServer['host']>[2] = {
      ...(kind === 'listing' && {
        listing: (honest) => LISTINGS[what]!(honest, honest.siblings[victim]!),
      }),
      ...(kind.startsWith('fault at') && {
        faults: { [kind.split(' ').at(-1)!]: [what as Fault, what as Fault] },
      }),
      ...(kind === 'no access' && { token: 'secret', isGated: random() < 0.5 }),
    }
    hub.host(`${owner}/model`, files, options)
    const controller = new AbortController()
    const request = { signal: controller.signal, logger: silent, patience: PATIENCE, onProgress: undefined }
    const here = () => downloadFromHub(name, folder, request).then(...told)
    const about = () => `run ${run}, seed ${seed}: ${kind}, ${what}${isSplit ? ', split' : ''}`
    /** Each file in all folders is one of the model's, with its bytes, or has no name of a model yet. */
    const expectNothingUnverified = () => {
      const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
        file.endsWith('.gguf'),
      )
      for (const file of found) {
        const i = paths.findIndex((path) => join('a', 'models', localName(name, path)) === file)
        expect(i, `${about()}: ${file}`).toBeGreaterThanOrEqual(0)
        expect(readFileSync(join(root, file)).equals(parts[i]!), about()).toBe(true)
      }
      return found.length
    }
    let outcome: string
    if (kind === 'led astray') {
      const astray = ASTRAY(new URL(hub.endpoint).port)
      const location = astray[Math.floor(random() * astray.length)]!
      hub.host(`${owner}/model`, files, { location })
      vi.stubEnv('HF_ENDPOINT', 'http://hub.example')
      hub.forget()
      outcome = await here()
      expect(
        [outcome, hub.files.requests.length, hub.front.requests.length],
        `${about()} ${location}`,
      ).toEqual(['ERR_DOWNLOAD', 0, 2])
      vi.stubEnv('HF_ENDPOINT', hub.endpoint)
    } else if (kind === 'changed files') {
      // Between the list and the files: the same addresses have other bytes.
      const others = paths.map(
        (path, i) => [path, i < victim ? parts[i]! : fileBytes(run + i, 200_000)] as const,
      )
      hub.host(`${owner}/model`, Object.fromEntries(others), {
        listing: (later) => ({
          ...later,
          siblings: later.siblings.map((file, i) => ({
            ...file,
            lfs: { ...file.lfs, sha256: sumsOf(files)[i]! },
          })),
        }),
      })
      outcome = await here()
      expect(outcome, about()).toBe('ERR_CHECKSUM')
    } else if (kind === 'aborted') {
      setTimeout(() => controller.abort(), random() * LIFE_MS)
      outcome = (await here()) === 'done' ? 'done' : 'aborted'
    } else if (kind === 'two at once') {
      const both = await Promise.all([here(), here()])
      expect(both, about()).toEqual(['done', 'done'])
      outcome = 'done'
    } else outcome = await here()
    expect([...TYPED, 'aborted'], about()).toContain(outcome)
    if (kind === 'listing') expect(outcome, about()).not.toBe('done') // though the files themselves are well
    const there = expectNothingUnverified()
    if (outcome === 'done') expect(there, about()).toBe(parts.length)
    expect(existsSync(join(root, 'a', 'escaped-Q4_K_M.gguf')), about()).toBe(false)
    tell(`${kind}: ${outcome}`)
    // What is left of it does not stand in the way of a server that is well.
    hub.host(`${owner}/model`, files)
    const again = { ...request, signal: new AbortController().signal }
    expect(await downloadFromHub(name, folder, again).then(...told), about()).toBe('done')
    expect(expectNothingUnverified(), about()).toBe(parts.length)
    rmSync(root, { recursive: true })
  }
  console.log(`${count} downloads from a hub, seed ${seed}:`, Object.fromEntries([...tally].sort()))
})
