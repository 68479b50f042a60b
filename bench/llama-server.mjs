// llama.cpp's own llama-server, in a process of its own, on a free port that only this machine reaches.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Stop } from '../scripts/steps.mjs'
import { kernelsOf } from './programs.mjs'

const HOST = '127.0.0.1'
const TAIL = 20

/** Starts it and waits until it listens, its model loaded: `{ url, kernels, post(path, body), stop() }`. */
export async function startServer(tools, { model, flags }) {
  // Of port 0 it makes one that is free; more verbose than by default, it names the CPU features.
  const args = ['--model', model, '--host', HOST, '--port', '0', '--verbosity', '4', ...flags]
  const server = spawn(tools.server, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const end = () => server.kill('SIGKILL') // otherwise it waits for clients, who may wait for it
  const ended = once(server, 'close')
  endWithUs(end, ended)
  const { url, log } = await listening(server)
  const stop = () => {
    end()
    return ended
  }
  return { url, kernels: kernelsOf(log), post: (path, body) => post(url + path, body), stop }
}

/** Calls `end` where this process ends before the server has. */
function endWithUs(end, ended) {
  const interrupt = () => process.exit(130)
  const listeners = { exit: end, SIGINT: interrupt, SIGTERM: interrupt }
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener)
  ended.finally(() => {
    for (const [event, listener] of Object.entries(listeners)) process.off(event, listener)
  })
}

/** Its address and what it has said before; it says that it listens when its model is loaded. */
async function listening(server) {
  const lines = []
  for await (const line of createInterface({ input: server.stderr })) {
    lines.push(line)
    const url = /listening on (http:\S+)/.exec(line)?.[1]
    if (url === undefined) continue
    server.stderr.resume() // it would wait for a reader
    return { url, log: lines.join('\n') }
  }
  throw new Stop(`${lines.slice(-TAIL).join('\n')}\n\nllama-server did not start.`)
}

async function post(url, body) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Stop(`llama-server answered ${response.status} to ${url}: ${text}`)
  return JSON.parse(text)
}
