// The programs beside which the engine is measured, each in a process of its own: bench/ours-engine.mjs, and what of
// llama.cpp's tools tells of many streams, of memory, and of opening a file.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { inRoot } from '../scripts/paths.mjs'
import { anonymousMemory } from './resident.mjs'

const execute = promisify(execFile)
const MAX_OUTPUT = 2 ** 26
/** Our micro-batch; llama.cpp's own default too. */
const BATCH = ['-b', '512', '-ub', '512']

/** Runs one job of bench/ours-engine.mjs in a fresh process; resolves with what it answers. */
export const engine = (job, options) => ownJob('ours-engine.mjs', job, options)

/** The same of bench/ours-embed.mjs. */
export const oursEmbedding = (job, options) => ownJob('ours-embed.mjs', job, options)

async function ownJob(script, job, options) {
  const args = [inRoot('bench', script), job, JSON.stringify(options)]
  const { stdout } = await execute(process.execPath, args, { cwd: inRoot(), maxBuffer: MAX_OUTPUT })
  return JSON.parse(stdout)
}

/**
 * Tokens per second (`S_TG`) of `count` streams together, of each repetition. `unified`: one KV cache for all of them,
 * instead of one each.
 */
export async function batchedBench(
  tools,
  { model, threads, nCtx, count, prompt, tokens, repetitions, unified },
) {
  const counts = ['-npp', prompt, '-ntg', tokens, '-npl', Array(repetitions).fill(count).join(',')]
  const context = ['-c', count * nCtx, ...BATCH, unified ? '-kvu' : '-no-kvu']
  const args = ['-m', model, ...counts, ...context, '-t', threads, '-tb', threads]
  const { stdout } = await execute(tools.batchedBench, [...args, '--output-format', 'jsonl'].map(String))
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line).speed_tg)
}

const completionArgs = ({ model, threads, nCtx }) =>
  // Without -fit: it reads the file twice to see what would fit.
  ['-m', model, '-c', nCtx, ...BATCH, '-t', threads, '-fit', 'off', '-no-cnv', '--temp', 0].map(String)

/** Bytes of anonymous memory of llama-completion while it writes behind `prompt`. */
export async function completionMemory(tools, { prompt, ...options }) {
  const args = [...completionArgs(options), '-n', '512', '--ignore-eos', '--no-display-prompt', '-p', prompt]
  const child = spawn(tools.completion, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    let written = 0
    for await (const chunk of child.stdout) {
      written += chunk.length
      if (written >= 100) return anonymousMemory(child.pid)
    }
    throw new Error('llama-completion ended before it wrote anything')
  } finally {
    const ended = once(child, 'exit')
    if (child.exitCode === null && child.kill('SIGKILL')) await ended
  }
}

/** Bytes of anonymous memory of a Node.js that does nothing. */
export async function emptyNodeMemory() {
  const script = "process.stdout.write(require('fs').readFileSync('/proc/self/status'))"
  const { stdout } = await execute(process.execPath, ['-e', script])
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(stdout)[1]) * 1024
}

/**
 * ms that llama-completion takes to load the weights, make the context and read the model's template, without warm-up:
 * from its own log's clock, so without the start of the process.
 */
export async function completionOpening(tools, options) {
  const log = ['--log-prefix', '--log-timestamps', '--no-warmup', '-lv', '4']
  const args = [...completionArgs(options), ...log, '-n', '1', '-p', 'Hello']
  const { stderr } = await execute(tools.completion, args, { maxBuffer: MAX_OUTPUT })
  const at = (text) => {
    const line = stderr.split('\n').find((line) => line.includes(text))
    const clock = /^(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(line ?? '')
    if (!clock) throw new Error(`llama-completion's log has no time for "${text}"`)
    const [minutes, seconds, millis, micros] = clock.slice(1).map(Number)
    return (minutes * 60 + seconds) * 1000 + millis + micros / 1000
  }
  return at('system_info') - at('load the model and apply lora adapter')
}
