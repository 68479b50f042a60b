import { once } from 'node:events'
import type { connect, Socket } from 'node:net'
import { Queue } from '../core/async.ts'
import { codeOf, DeviceError, type DeviceFallback, messageOf } from '../core/errors.ts'
import type { Device } from './devices.ts'

// These are the questions with which ggml's client begins. We ask them first: ggml ends the process if it does
// not like an answer, and waits forever if none comes. Source: ggml/src/ggml-rpc/ggml-rpc.cpp of llama.cpp
// v0.5.0.
const HELLO = 14
const DEVICE_COUNT = 15
const GET_DEVICE_MEMORY = 11
const MAJOR = 7
const MINOR = 0
const CAPABILITIES = 24
const VERSION_BYTES = 4

const LIMIT_MS = 10_000
/** Source: llama_max_devices() of llama.cpp v0.5.0. */
const MOST_DEVICES = 16

/**
 * The devices of ggml-rpc-servers, in this order.
 * @throws {DeviceError} `ERR_DEVICE` where one cannot be used
 */
export async function askRpcServers(servers: readonly string[], signal: AbortSignal): Promise<Device[]> {
  // Loaded on demand: few programs compute on other machines.
  const net = await import('node:net')
  signal.throwIfAborted()
  const asked = await Promise.all(servers.map((server) => ask(server, net.connect, signal)))
  signal.throwIfAborted()
  const failed = asked.flatMap((one) => ('reason' in one ? [one] : []))
  if (failed.length > 0) throw new DeviceError(failed, [])
  const devices = asked.flatMap((one) => ('reason' in one ? [] : one.devices))
  return devices.map((device, i) => ({ ...device, name: `RPC${i}` })) // as ggml counts them
}

export type RpcServersInUse = { release(): void }

/**
 * How many models of this process use each server. A server answers one client at a time, and all models
 * share one connection to it: once it is in use, it cannot be asked again.
 */
const used = new Map<string, number>()
/** One model at a time looks whether they answer, until it counts itself. */
const line = new Queue()

/** Makes sure that ggml may connect to them. @throws {DeviceError} `ERR_DEVICE` where one cannot be used */
export async function useRpcServers(
  servers: readonly string[],
  signal: AbortSignal,
): Promise<RpcServersInUse> {
  if (servers.length === 0) return { release: () => {} }
  const leave = await line.enter()
  try {
    const unknown = servers.filter((server) => !used.has(server))
    if (unknown.length > 0) await askRpcServers(unknown, signal)
    for (const server of servers) used.set(server, (used.get(server) ?? 0) + 1)
  } finally {
    leave()
  }
  return {
    release: () => {
      for (const server of servers) {
        const count = used.get(server) ?? 0
        if (count > 1) used.set(server, count - 1)
        else used.delete(server)
      }
    },
  }
}

async function ask(
  server: string,
  connectTo: typeof connect,
  signal: AbortSignal,
): Promise<DeviceFallback | { readonly devices: Device[] }> {
  const at = server.lastIndexOf(':')
  const socket = connectTo({ host: server.slice(0, at), port: Number(server.slice(at + 1)) })
  const timer = setTimeout(() => socket.destroy(new ServerTimeout()), LIMIT_MS)
  const leave = () => socket.destroy()
  signal.addEventListener('abort', leave, { once: true })
  try {
    await once(socket, 'connect')
    return { devices: await devicesOf(server, new DeviceQuestion(socket)) }
  } catch (error) {
    return { device: server, reason: reasonOf(error) }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
    socket.destroy()
  }
}

async function devicesOf(server: string, asking: DeviceQuestion): Promise<Device[]> {
  const hello = await asking.ask(HELLO, Buffer.alloc(CAPABILITIES), VERSION_BYTES + CAPABILITIES)
  const [major, minor] = [hello.readUInt8(0), hello.readUInt8(1)]
  if (major !== MAJOR || minor > MINOR)
    throw new ProtocolMismatch(
      `it uses version ${major}.${minor} of the protocol, this library ${MAJOR}.${MINOR}: both must come from the same llama.cpp`,
    )
  const count = (await asking.ask(DEVICE_COUNT, Buffer.alloc(0), 4)).readUInt32LE()
  if (count === 0) throw new ProtocolMismatch('it has no devices')
  if (count > MOST_DEVICES)
    throw new ProtocolMismatch(`it reports ${count} devices; llama.cpp supports at most ${MOST_DEVICES}`)
  const devices: Device[] = []
  for (let i = 0; i < count; i++) {
    const index = Buffer.alloc(4)
    index.writeUInt32LE(i)
    const memory = await asking.ask(GET_DEVICE_MEMORY, index, 16)
    devices.push({
      name: 'RPC',
      description: server,
      backend: 'rpc',
      type: 'gpu',
      memoryFree: Number(memory.readBigUInt64LE(0)),
      memoryTotal: Number(memory.readBigUInt64LE(8)),
    })
  }
  return devices
}

class ServerTimeout extends Error {}
class ProtocolMismatch extends Error {}

/**
 * One question after another: a command, the length of what follows, that; the answer's length, the answer.
 */
class DeviceQuestion {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  #read = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
  }

  async ask(command: number, body: Buffer, expected: number): Promise<Buffer> {
    const head = Buffer.alloc(9)
    head.writeUInt8(command)
    head.writeBigUInt64LE(BigInt(body.length), 1)
    this.#socket.write(Buffer.concat([head, body]))
    const length = (await this.#take(8)).readBigUInt64LE()
    if (length !== BigInt(expected)) throw new ProtocolMismatch('what answers there is not a ggml-rpc-server')
    return this.#take(expected)
  }

  async #take(bytes: number): Promise<Buffer> {
    while (this.#read.length < bytes) {
      const { done, value } = await this.#chunks.next()
      if (done)
        throw new ProtocolMismatch(
          'it closed the connection: it is not a ggml-rpc-server, or one of another version',
        )
      this.#read = Buffer.concat([this.#read, value])
    }
    const taken = this.#read.subarray(0, bytes)
    this.#read = this.#read.subarray(bytes)
    return taken
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ServerTimeout)
    return `it has not answered within ${LIMIT_MS / 1000} s: a ggml-rpc-server serves one program at a time`
  if (error instanceof ProtocolMismatch) return error.message
  if (codeOf(error) === 'ECONNREFUSED') return 'nothing listens there: start ggml-rpc-server'
  return messageOf(error)
}
