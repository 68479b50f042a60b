import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'
import { bodyShapes } from './body-shapes.ts'

// What bodies of strangers cost the server: memory, which is asserted, and the event loop, whose longest stop is told (the bar is
// 50 ms). `npm run campaign:bodies -- --count 500` sets how many are held at once.
const count = Number(process.env.CAMPAIGN_COUNT ?? 200)

const MIB = 2 ** 20
const MAX_BODY = 4 * MIB
const BODY_MEMORY = 256 * MIB
const BAR_MS = 50
const child = fileURLToPath(new URL('server-child.mjs', import.meta.url))

type Held = { readonly clock: number; readonly computing: number }
type State = { readonly rss: number; readonly most: number; readonly heap: number; readonly held: Held }

const started: ChildProcess[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const one of started.splice(0)) {
    const exited = once(one, 'exit')
    one.send('end')
    expect(await exited).toEqual([0, null])
  }
})

async function start(execArgv: readonly string[] = []) {
  const server = spawn(process.execPath, ['--expose-gc', ...execArgv, child, EMBEDDED], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  started.push(server)
  const [{ url }] = (await once(server, 'message')) as [{ url: string }]
  const state = async (): Promise<State> => {
    const answered = once(server, 'message')
    server.send('state')
    return (await answered)[0] as State
  }
  const ask = (path = '/v1/completions', body: string | Uint8Array = '{"prompt":"Hi","max_tokens":1}') =>
    fetch(url + path, { method: 'POST', body: body as string })
  for (let i = 0; i < 20; i++) await (await ask()).text()
  return { port: Number(new URL(url).port), ask, state }
}

const told = ({ clock, computing }: Held) =>
  `${computing.toFixed(1)} ms (${clock.toFixed(1)} by the clock)${computing > BAR_MS ? ' MISSES THE BAR' : ''}`
const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`

/** A request with the body that `write` writes; resolves with the status, 0 where there is none. */
function send(port: number, headers: string, write: (socket: Socket) => Promise<void>): Promise<number> {
  const socket = connect(port, '127.0.0.1').setMaxListeners(0)
  sockets.push(socket)
  socket.write(`POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n`)
  const status = new Promise<number>((resolve) => {
    let text = ''
    socket.on('data', (data) => {
      text += data
      const found = /^HTTP\/1\.1 (\d+)/.exec(text)
      if (found) resolve(Number(found[1]))
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(0))
  })
  void write(socket)
  return status
}

/** Writes as fast as it is taken. */
async function push(socket: Socket, piece: string | Uint8Array): Promise<void> {
  if (socket.destroyed || socket.write(piece)) return
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

describe('request bodies', () => {
  test('of every shape are read or refused, and stop the event loop for a short time only', async () => {
    const { ask, state } = await start()
    const missed: string[] = []
    let shapes = 0
    await state()
    for (const { name, path, body } of bodyShapes(MAX_BODY)) {
      const response = await ask(path, body)
      const text = await response.text()
      expect([200, 400, 404], `${name}: ${response.status} ${text.slice(0, 300)}`).toContain(response.status)
      const { held } = await state()
      shapes++
      if (held.computing > BAR_MS) missed.push(`${name}: ${told(held)}`)
    }
    console.log(`${shapes} shapes, ${missed.length} hold the event loop for more than ${BAR_MS} ms`)
    for (const line of missed) console.log(`  ${line}`)
  })

  test.each([
    [1, MAX_BODY],
    [8, MAX_BODY / 16],
    [64, MAX_BODY / 128],
  ])('in one-byte chunks, %d at once of %d bytes, are read in little memory', async (clients, bytes) => {
    // Two of the largest ended a heap of 1 GB.
    const { port, state } = await start(['--max-old-space-size=128'])
    const before = await state()
    const [head, tail] = ['{"max_tokens":1,"prompt":"Hi","user":"', '"}']
    const text = head + ' '.repeat(bytes - head.length - tail.length) + tail
    const chunked = async (socket: Socket) => {
      for (let at = 0; at < text.length; at += 4096)
        await push(socket, text.slice(at, at + 4096).replace(/./g, '1\r\n$&\r\n'))
      await push(socket, '0\r\n\r\n')
    }
    const all = Array.from({ length: clients }, () => send(port, 'transfer-encoding: chunked', chunked))
    for (const status of await Promise.all(all)) expect(status).toBe(200)
    const { most, held } = await state()
    console.log(
      `${clients} of ${bytes / 1024} KiB: RSS +${mib(most - before.rss)}, event loop held ${told(held)}`,
    )
    expect(most - before.rss).toBeLessThan(Math.max(2 * clients * bytes, 100 * MIB))
  })

  test(`of ${count} clients, each held one byte short of its end, take the memory that is stated; others are served`, async () => {
    const { port, ask, state } = await start()
    const before = await state()
    const piece = Buffer.alloc(64 * 1024, ' ')
    let written = 0
    const hold = async (socket: Socket) => {
      let left = MAX_BODY - 1
      for (; left > 0 && !socket.destroyed; left -= piece.length) await push(socket, piece.subarray(0, left))
      written++
    }
    const statuses: number[] = []
    for (let i = 0; i < count; i++)
      void send(port, `content-length: ${MAX_BODY}`, hold).then((status) => statuses.push(status))
    const most: State[] = []
    while (written < count) most.push(await state())
    most.push(await state())
    const rss = Math.max(...most.map((one) => one.most)) - before.rss
    const heap = Math.max(...most.map((one) => one.heap)) - before.heap
    const longest = most.map(({ held }) => held).sort((a, b) => b.computing - a.computing)[0]!
    const [refused, stopped] = [429, 408].map((code) => statuses.filter((one) => one === code).length)
    console.log(
      `${count} held: RSS +${mib(rss)}, heap +${mib(heap)}, event loop held ${told(longest)}; ${refused} got 429, ${stopped} 408`,
    )
    expect(rss).toBeLessThan(BODY_MEMORY)
    // Who goes on sending may lose the answer with its connection.
    expect([...new Set(statuses)].filter((status) => ![429, 408, 0].includes(status))).toEqual([])
    // Who comes now gets the room of one that has stalled, or is told to come again.
    let response = await ask()
    while (response.status === 429) response = await ask()
    expect(response.status).toBe(200)
  })
})
