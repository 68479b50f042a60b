import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TinyModel, tinyModel } from '../support/tiny-models.ts'
import { type Damaged, damage } from './damaged-gguf-mutations.ts'

/** What became of one damaged file. `valid`: it loaded and drew a token, as damage in the weights may. */
export type Outcome = {
  readonly index: number
  readonly source: string
  readonly mutation: string
  readonly kind: 'typed error' | 'valid' | 'untyped error' | 'crash' | 'hang' | 'memory'
  /** Error code, signal or message. */
  readonly detail: string
}

const SOURCES = ['embedded', 'llama', 'llama-moe', 'gemma3', 'mamba', 'lfm2'] as const
const LIMIT_MS = 20_000
const LIMIT_BYTES = 3 * 2 ** 30

type Source = (typeof SOURCES)[number]

const whole = (source: Source, embedded: Buffer): Buffer =>
  source === 'embedded' ? embedded : tinyModel(source satisfies TinyModel)

/** The damaged file of (seed, index), from one of the sources in turn. */
export function variant(embedded: Buffer, seed: number, index: number): Damaged & { source: Source } {
  const source = SOURCES[index % SOURCES.length]!
  return { source, ...damage(whole(source, embedded), seed, index) }
}

/**
 * Has a child process load each damaged file and ask it for one token. The child gets one file at a time, so a
 * death names its file; then a new child goes on with the next.
 */
export async function* runCampaign(options: {
  readonly embeddedPath: string
  readonly childPath: string
  readonly count: number
  readonly seed: number
  readonly first?: number
}): AsyncGenerator<Outcome> {
  const { embeddedPath, childPath, count, seed, first = 0 } = options
  const embedded = readFileSync(embeddedPath)
  const folder = mkdtempSync(join(tmpdir(), 'damaged-gguf-'))
  const path = join(folder, 'damaged.gguf')
  let child: ChildProcess | undefined
  try {
    const attempt = async (bytes: Buffer) => {
      writeFileSync(path, bytes)
      child ??= fork(childPath, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
      const result = await tryOne(child, path)
      if (!['typed error', 'valid', 'untyped error'].includes(result.kind)) child = undefined
      return result
    }
    // Without this a library that refuses everything would pass.
    for (const source of SOURCES) {
      const { kind, detail } = await attempt(whole(source, embedded))
      if (kind !== 'valid') throw new Error(`the undamaged ${source} does not run: ${kind} ${detail}`)
    }
    for (let index = first; index < first + count; index++) {
      const { bytes, mutation, source } = variant(embedded, seed, index)
      yield { index, source, mutation, ...(await attempt(bytes)) }
    }
  } finally {
    child?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function tryOne(child: ChildProcess, path: string): Promise<Pick<Outcome, 'kind' | 'detail'>> {
  const done = new AbortController()
  let stderr = ''
  const listen = (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000)
  }
  child.stderr?.on('data', listen)
  let why: 'hang' | 'memory' | undefined
  const kill = (reason: 'hang' | 'memory') => {
    why = reason
    child.kill('SIGKILL')
  }
  const timer = setTimeout(kill, LIMIT_MS, 'hang')
  const watch = setInterval(() => residentBytes(child.pid!) > LIMIT_BYTES && kill('memory'), 250)
  try {
    child.send(path)
    const answered = once(child, 'message', { signal: done.signal })
    const exited = once(child, 'exit', { signal: done.signal })
    const [first, signal] = await Promise.race([answered, exited])
    if (typeof first === 'object' && first !== null) return first as Pick<Outcome, 'kind' | 'detail'>
    const last = stderr.split('\n').filter((line) => /ASSERT|ABORT|error|what\(\)/i.test(line))
    return { kind: why ?? 'crash', detail: `${signal ?? `exit code ${first}`}: ${last.at(0) ?? ''}` }
  } finally {
    done.abort()
    clearTimeout(timer)
    clearInterval(watch)
    child.stderr?.off('data', listen)
  }
}

/** Only Linux tells; elsewhere the limit is not watched. */
function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
