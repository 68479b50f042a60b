// A library that embeds, in a process of its own that stays: see bench/peers/embed/serve.mjs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { inRoot } from '../../scripts/paths.mjs'
import { pythonOf } from '../python.mjs'

const TAIL = 2000

/** Starts it and opens its model: `{ version, embed(texts, how), singly(texts), stop() }`. */
export async function startEmbedder({ script, python }, options) {
  const program = python === undefined ? process.execPath : await pythonOf(python)
  const child = spawn(program, [inRoot('bench', 'peers', 'embed', script)], {
    cwd: inRoot(),
    stdio: ['pipe', 'pipe', 'pipe'],
    // No library shall look for anything on the network, or tell anybody of its use.
    env: {
      ...process.env,
      HF_HUB_OFFLINE: '1',
      TOKENIZERS_PARALLELISM: 'true',
      PYTHONDONTWRITEBYTECODE: '1',
    },
  })
  let said = ''
  child.stderr.on('data', (data) => {
    said = (said + data).slice(-TAIL)
  })
  child.stdin.on('error', () => {}) // it has ended, which the answer that does not come tells
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (job, asked) => {
    child.stdin.write(`${JSON.stringify({ job, ...asked })}\n`)
    const { value, done } = await lines.next()
    if (done) {
      const [code, signal] = await ended
      throw new Error(`${script} ended (${signal ?? `code ${code}`}): ${reasonIn(said)}`)
    }
    return JSON.parse(value)
  }
  const { version } = await ask('open', options)
  return {
    version,
    async embed(texts, { long = false, wanted = false } = {}) {
      const { ms, vectors } = await ask('embed', { texts, long, wanted })
      return { ms, vectors: vectors?.map(decode) }
    },
    singly: async (texts) => (await ask('singly', { texts })).times,
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

/** Of what a program said before it ended: the line that tells why. */
function reasonIn(said) {
  const lines = said.trim().split('\n')
  return lines.find((line) => /Error: /.test(line)) ?? lines.at(-1)
}

function decode(text) {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
  return new Float32Array(bytes.buffer)
}

export function cosine(a, b) {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i]
    aa += a[i] * a[i]
    bb += b[i] * b[i]
  }
  return ab / Math.sqrt(aa * bb)
}
