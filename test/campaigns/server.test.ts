import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { seeded } from '../support/gguf-writer.ts'
import { EMBEDDED } from '../support/models.ts'
import { eventsOf } from '../support/server.ts'
import { malformed } from './malformed.ts'

// `npm run campaign:server -- --count 1000 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 200)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const MAX_BODY = 100_000
const CLIENTS = 32
const child = fileURLToPath(new URL('server-child.mjs', import.meta.url))

type State = {
  readonly rss: number
  readonly activity: { readonly running: number; readonly queued: number }
}

const started: ChildProcess[] = []
afterEach(async () => {
  for (const one of started.splice(0)) {
    const exited = once(one, 'exit')
    one.send('end')
    expect(await exited).toEqual([0, null])
  }
})

async function start(options: object = {}) {
  const server = spawn(process.execPath, ['--expose-gc', child, EMBEDDED, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  started.push(server)
  const [{ url }] = (await once(server, 'message')) as [{ url: string }]
  const state = async (): Promise<State> => {
    const answered = once(server, 'message')
    server.send('state')
    return (await answered)[0] as State
  }
  const post = (path: string, body: string | Uint8Array, init: RequestInit = {}) =>
    fetch(url + path, { method: 'POST', body: body as string, ...init })
  return { url, state, post }
}

const story = (i: number, more: object = {}) =>
  JSON.stringify({
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: `Tell me story number ${i}.` },
    ],
    max_tokens: 5 + (i % 40),
    seed: i,
    stream: true,
    ...more,
  })

/** Does the numbered jobs, so many at a time. */
async function atOnce(jobs: number, clients: number, job: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const client = async () => {
    while (next < jobs) await job(next++)
  }
  await Promise.all(Array.from({ length: clients }, client))
}

describe('a server', () => {
  test(`answers ${count} requests of ${CLIENTS} streaming clients, and its memory comes back`, async () => {
    const { post, state } = await start()
    const ask = async (i: number) => {
      const response = await post('/v1/chat/completions', story(i))
      const text = await response.text()
      expect(response.status, text).toBe(200)
      const { events, isDone } = eventsOf(text)
      expect(isDone).toBe(true)
      expect(events.some((event) => event.error)).toBe(false)
    }
    await atOnce(10 * CLIENTS, CLIENTS, ask) // everything that is made once is made
    const before = await state()
    await atOnce(count, CLIENTS, ask)
    const after = await state()
    expect(after.activity).toEqual({ running: 0, queued: 0 })
    console.log(`memory ${(before.rss / 2 ** 20).toFixed(1)} -> ${(after.rss / 2 ** 20).toFixed(1)} MiB`)
    expect(after.rss).toBeLessThan(1.1 * before.rss)
  })

  test(`refuses ${Math.ceil(count / 2)} malformed requests in OpenAI's format (seed ${seed}), and lives`, async () => {
    const { url, post, state } = await start({ maxBodyBytes: MAX_BODY })
    const tally = new Map<string, number>()
    for (const { kind, path, headers, body } of malformed(Math.ceil(count / 2), seeded(seed), MAX_BODY)) {
      const response = await post(path, body, { headers })
      const text = await response.text()
      const what = `${kind}: ${path} ${String(body).slice(0, 200)} -> ${response.status} ${text.slice(0, 300)}`
      expect(response.status >= 400 && response.status < 500, what).toBe(true)
      const { error } = JSON.parse(text)
      expect(Object.keys(error).sort(), what).toEqual(['code', 'message', 'param', 'type'])
      expect(typeof error.message === 'string' && error.message.length < 2000, what).toBe(true)
      tally.set(`${kind} ${response.status}`, (tally.get(`${kind} ${response.status}`) ?? 0) + 1)
    }
    console.log([...tally].map(([what, times]) => `${times} x ${what}`).join(', '))
    expect((await fetch(`${url}/health`)).status).toBe(200)
    expect((await state()).activity).toEqual({ running: 0, queued: 0 })
  })

  test(`frees the places of ${Math.ceil(count / 10)} clients that vanish during their streams`, async () => {
    const { post, state } = await start()
    const random = seeded(seed)
    const vanish = async (i: number) => {
      const leaving = new AbortController()
      const response = await post('/v1/chat/completions', story(i, { max_tokens: 400 }), {
        signal: leaving.signal,
      })
      const reader = response.body!.getReader()
      for (let pieces = Math.floor(random() * 8); pieces > 0; pieces--) await reader.read()
      leaving.abort()
    }
    const stay = async (i: number) => {
      const { isDone } = eventsOf(await (await post('/v1/chat/completions', story(i))).text())
      expect(isDone).toBe(true)
    }
    await Promise.all([atOnce(Math.ceil(count / 10), 8, vanish), atOnce(40, 4, stay)])
    let { activity } = await state()
    // The last of them may just have gone.
    while (activity.running + activity.queued > 0) activity = (await state()).activity
    expect((await post('/v1/chat/completions', story(1))).status).toBe(200)
  })
})
