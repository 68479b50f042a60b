import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeKind } from '../../../src/models/gguf/kind.ts'
import { type Case, damagedCase, wholeCase } from './cases.ts'

/** What became of one damaged case. `valid`: it loaded and drew a token, as damage in the weights may. */
export type Outcome = {
  readonly index: number
  readonly source: string
  readonly mutation: string
  readonly kind: 'typed error' | 'valid' | 'untyped error' | 'crash' | 'hang' | 'memory'
  /** Error code, signal or message. */
  readonly detail: string
  readonly message?: string
  readonly ms: number
}

type Result = Pick<Outcome, 'kind' | 'detail' | 'message' | 'ms'>

/** A busy machine is no hang: what takes longer is tried once more, alone. */
const LIMIT_MS = 10_000
const LIMIT_BYTES = 3 * 2 ** 30

/** Refused whatever they hold: llama.cpp, or this library, cannot write text with them. */
const UNUSABLE = ['qwen3tts', 'pockettts', 'wavtokenizer-dec', 'plm']

export type Campaign = {
  readonly count: number
  readonly seed: number
  readonly first?: number
  /** Whether files that are not known are tried in a child process first. */
  readonly tryFirst: boolean
}

/**
 * Has a child process open each damaged case and ask it for one token. The child gets one case at a time, so a
 * death names its case; then a new child goes on with the next.
 */
export async function* runCampaign({ count, seed, first = 0, tryFirst }: Campaign): AsyncGenerator<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'damaged-gguf-'))
  let child: ChildProcess | undefined
  const attempt = async ({ files, lora, draftModel }: Case): Promise<Result> => {
    const at = (name: string) => join(folder, name)
    for (const { name, bytes } of files) writeFileSync(at(name), bytes)
    const options = {
      tryFirst,
      ...(lora && { lora: [{ path: at(lora) }] }),
      ...(draftModel && { draftModel: at(draftModel) }),
    }
    child ??= start(folder)
    const result = await ask(child, { path: at(files[0]!.name), options })
    for (const { name } of files) rmSync(at(name))
    if (!['typed error', 'valid', 'untyped error'].includes(result.kind)) child = undefined
    return result
  }
  const sound = new Set<string>()
  try {
    for (let index = first; index < first + count; index++) {
      const { source, mutation, ...damaged } = damagedCase(seed, index)
      // Without this a library that refuses everything would pass.
      if (!sound.has(source)) assertSound(source, await attempt(wholeCase(source)))
      sound.add(source)
      let result = await attempt({ source, ...damaged })
      if (result.kind === 'hang') result = await attempt({ source, ...damaged })
      yield { index, source, mutation, ...result }
    }
  } finally {
    child?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function assertSound(source: string, { kind, detail, message }: Result): void {
  const architecture = source.replace(/-moe$/, '')
  const { generatesText } = describeKind({ architecture, metadata: new Map() })
  const expected = generatesText && !UNUSABLE.includes(source) ? 'valid' : 'typed error'
  if (kind !== expected) throw new Error(`the undamaged ${source} gives ${kind} ${detail} ${message ?? ''}`)
}

/** What it remembers of files, and tries, is in a home folder of its own. */
function start(folder: string): ChildProcess {
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  const env = { ...process.env, HOME: home, USERPROFILE: home, GGML_NO_BACKTRACE: '1' }
  const program = fileURLToPath(new URL('child.mjs', import.meta.url))
  return fork(program, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env })
}

async function ask(child: ChildProcess, request: object): Promise<Result> {
  const done = new AbortController()
  const started = performance.now()
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
  const took = () => ({ ms: Math.round(performance.now() - started) })
  try {
    child.send(request)
    const answered = once(child, 'message', { signal: done.signal })
    const exited = once(child, 'exit', { signal: done.signal })
    const [first, signal] = await Promise.race([answered, exited])
    if (typeof first === 'object' && first !== null) return { ...(first as Result), ...took() }
    const last = stderr.split('\n').filter((line) => /ASSERT|ABORT|error|what\(\)/i.test(line))
    return {
      kind: why ?? 'crash',
      detail: `${signal ?? `exit code ${first}`}: ${last.at(0) ?? ''}`,
      ...took(),
    }
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
