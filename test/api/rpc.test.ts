import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EngineCrashedError, GPT4All, IsolatedEngine } from '../../src/index.ts'
import { EMBEDDED } from '../support/models.ts'
import { hasRpcServer, type RpcServer, startRpcServer } from '../support/rpc-server.ts'

const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 24 }
const OPTIONS = { nThreads: 1, nCtx: 256, deterministic: true }

/** What listens there instead of a ggml-rpc-server. */
const others: ReturnType<typeof createServer>[] = []
async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  })
  others.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}
afterEach(() => {
  for (const server of others.splice(0)) server.close()
})

describe('rpcServers', () => {
  test.each([
    ['nothing', async () => '127.0.0.1:1', /nothing listens there/],
    ['what hangs up', () => listen((socket) => socket.destroy()), /closed the connection|ECONNRESET/],
    [
      'a web server',
      () => listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
      /not a ggml-rpc-server/,
    ],
    [
      'an older version',
      () => listen((socket) => socket.end(helloOf(1, 2))),
      /version 1\.2 .* this library 7\.0/,
    ],
    [
      'what tells of a million devices',
      () => listen((socket) => socket.write(Buffer.concat([helloOf(7, 0), devicesOf(1_000_000)]))),
      /1000000 devices/,
    ],
    ['a newer version', () => listen((socket) => socket.end(helloOf(7, 9))), /version 7\.9/],
  ])('reject %s with ERR_DEVICE and the reason, without a crash', async (_, place, reason) => {
    const endpoint = await place()
    const opening = GPT4All.load(EMBEDDED, { ...OPTIONS, rpcServers: [endpoint] })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_DEVICE',
      fallbacks: [{ device: endpoint, reason: expect.stringMatching(reason) }],
    })
    const listing = GPT4All.listDevices({ rpcServers: [endpoint] })
    await expect(listing).rejects.toMatchObject({ code: 'ERR_DEVICE' })
  })

  test('can be aborted while a server does not answer', async () => {
    const silent = await listen(() => {})
    const signal = AbortSignal.timeout(200)
    const opening = GPT4All.load(EMBEDDED, { ...OPTIONS, rpcServers: [silent], signal })
    const error = await opening.catch((reason: unknown) => reason)
    expect(error).toBe(signal.reason)
  })

  test.each([
    [{ rpcServers: 'localhost:1' }, 'rpcServers'],
    [{ rpcServers: ['localhost'] }, 'rpcServers[0]'],
    [{ rpcServers: ['localhost:0'] }, 'rpcServers[0]'],
    [{ rpcServers: ['localhost:70000'] }, 'rpcServers[0]'],
    [{ rpcServers: ['a:1', 'a:1'] }, 'rpcServers[1]'],
    [{ rpcServers: ['a:1'], isolated: false }, 'isolated'],
    [{ isolated: 'yes' }, 'isolated'],
    [{ tensorSplit: [] }, 'tensorSplit'],
    [{ tensorSplit: [0, 0] }, 'tensorSplit'],
    [{ tensorSplit: [1, -1] }, 'tensorSplit'],
    [{ tensorSplit: [Number.NaN] }, 'tensorSplit'],
  ])('refuse %j by name', (options, option) => {
    expect(() => new GPT4All(EMBEDDED, options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', option }),
    )
  })
})

/** What a server of that version says first. */
function devicesOf(count: number): Buffer {
  const answer = Buffer.alloc(12)
  answer.writeBigUInt64LE(4n)
  answer.writeUInt32LE(count, 8)
  return answer
}

function helloOf(major: number, minor: number): Buffer {
  const answer = Buffer.alloc(8 + 28)
  answer.writeBigUInt64LE(28n)
  answer.writeUInt8(major, 8)
  answer.writeUInt8(minor, 9)
  return answer
}

describe.runIf(hasRpcServer)('a model on two ggml-rpc-servers', () => {
  const servers: RpcServer[] = []
  beforeAll(async () => {
    servers.push(await startRpcServer(), await startRpcServer())
  })
  afterAll(async () => {
    for (const server of servers) await server.kill()
  })
  const endpoints = () => servers.map(({ endpoint }) => endpoint)

  test('lists their devices, and writes the same text as here, however it is split', async () => {
    const devices = await GPT4All.listDevices({ rpcServers: endpoints() })
    expect(devices.slice(0, 2)).toMatchObject(
      endpoints().map((description, i) => ({ name: `RPC${i}`, description, backend: 'rpc', type: 'gpu' })),
    )
    const here = await GPT4All.load(EMBEDDED, OPTIONS)
    const expected = await here.generate('Once upon a time', GREEDY)
    await here.close()
    for (const tensorSplit of [undefined, [3, 1], [0, 1]]) {
      const model = await GPT4All.load(EMBEDDED, { ...OPTIONS, rpcServers: endpoints(), tensorSplit })
      expect(model).toMatchObject({ backend: 'rpc', device: endpoints().join(', '), fallbacks: [] })
      expect(model.engine?.state).toBe('running')
      expect(await model.generate('Once upon a time', GREEDY)).toBe(expected)
      await model.close()
    }
  })

  test('shares them with another model of the same engine, in turn and at once', async () => {
    const engine = new IsolatedEngine()
    const options = { ...OPTIONS, rpcServers: endpoints(), isolated: engine }
    const models = await Promise.all([1, 2, 3].map(() => GPT4All.load(EMBEDDED, options)))
    const ask = (i: number) => models[i]!.generate('Once upon a time', GREEDY)
    const expected = await ask(0)
    // Often: what one of them computes must not be taken for what another does.
    for (let round = 0; round < 15; round++)
      expect(await Promise.all([ask(0), ask(1), ask(2)])).toEqual([expected, expected, expected])
    await models[0]!.close()
    models[0] = await GPT4All.load(EMBEDDED, options)
    expect(await ask(0)).toBe(expected)
    await engine.close()
  })

  test('refuses more shares than there are devices', async () => {
    const opening = GPT4All.load(EMBEDDED, { ...OPTIONS, rpcServers: endpoints(), tensorSplit: [1, 1, 1] })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_OPTION', option: 'tensorSplit' })
  })

  test('rejects with ERR_ENGINE_CRASHED when it loses one, then with the reason, and then works again', async () => {
    const model = await GPT4All.load(EMBEDDED, { ...OPTIONS, rpcServers: endpoints() })
    const chat = model.chatSession()
    await chat.generate('My name is Ada.', GREEDY)
    const before = chat.messages
    const read = async () => {
      for await (const _ of chat.generate('Count from 1 to 20.', { ...GREEDY, maxTokens: 150 }))
        await servers[1]!.kill()
    }
    const error = await read().catch((reason) => reason)
    expect(error).toBeInstanceOf(EngineCrashedError)
    expect(error.message).toMatch(/RPC/)
    expect(chat.messages).toEqual(before)
    await expect(chat.generate('What is my name?', GREEDY)).rejects.toMatchObject({ code: 'ERR_DEVICE' })
    await servers[1]!.restart()
    expect(await chat.generate('What is my name?', GREEDY)).toContain('Ada')
    await model.close()
  })
})
