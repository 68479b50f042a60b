import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { areBuilt, llamaToolsRoom } from '../../scripts/llama-tools.mjs'

const room = await llamaToolsRoom('rpc')

/** `npm run build:rpc-server` makes it. */
export const hasRpcServer = areBuilt(room)

if (!hasRpcServer) {
  console.warn('The tests on ggml-rpc-server are skipped: run `npm run build:rpc-server` to have it.')
}

export type RpcServer = {
  readonly endpoint: string
  kill(): Promise<void>
  /** The same again, at the same place. */
  restart(): Promise<void>
}

/** A ggml-rpc-server on the loopback, with one thread. */
export async function startRpcServer(): Promise<RpcServer> {
  const port = await freePort()
  let child: ChildProcess | undefined
  const start = async () => {
    child = spawn(room!.rpcServer, ['--host', '127.0.0.1', '--port', String(port), '--threads', '1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // It tells of itself before it listens.
    child.stdout?.resume()
    for (;;) {
      const socket = connect({ host: '127.0.0.1', port })
      try {
        await once(socket, 'connect')
        return
      } catch {
        if (child.exitCode !== null) throw new Error(`ggml-rpc-server ended with ${child.exitCode}`)
      } finally {
        socket.destroy()
      }
    }
  }
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    endpoint: `127.0.0.1:${port}`,
    kill,
    restart: async () => {
      await kill()
      await start()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
