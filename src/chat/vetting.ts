import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { TemplateError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { NativeBinding } from '../native/types.ts'
import { KNOWN_TEMPLATES } from './known-templates.ts'

/** What a template may take to render a few short conversations. */
const LIMIT_MS = 2000
const LIMIT_BYTES = 512 * 2 ** 20
/** What the child may take to start: a busy machine is no fault of the template. */
const START_MS = 60_000

/**
 * llama.cpp's Jinja engine is fast, but a macro that calls itself overflows the stack and an endless loop never
 * returns: no exception tells of either. So a template that is not known is tried in a child process first, which
 * may die of it. Run by `node -e`, since a bundled program has no file of ours to run.
 */
const CHILD = `
const { ChatTemplate } = require(require('node:url').fileURLToPath(process.argv[1]))
const source = require('node:fs').readFileSync(0, 'utf8')
const watch = "const { parentPort, workerData } = require('node:worker_threads');" +
  "const kill = () => process.kill(process.pid, 'SIGKILL');" +
  "setInterval(() => { if (process.memoryUsage.rss() > workerData) kill() }, 10);" +
  "setTimeout(kill, 30000);" + // should the parent die meanwhile
  "parentPort.postMessage('watching')"
const limit = process.memoryUsage.rss() + Number(process.argv[2])
new (require('node:worker_threads').Worker)(watch, { eval: true, workerData: limit }).once('message', () => {
  require('node:fs').writeSync(1, 'ready')
  const say = (role, content, reasoning) => ({ role, content, reasoning })
  const long = Array.from({ length: 12 }, (_, i) => say(i % 2 ? 'assistant' : 'user', 'word '.repeat(i * 8)))
  const chats = [
    [say('user', 'Hello')],
    [say('system', 'Be kind.'), say('user', 'Hello')],
    [say('system', 'Be kind.'), say('user', 'Hello'), say('assistant', 'Hi!', 'A greeting.'), say('user', 'Bye')],
    [...long, say('user', 'Bye')],
  ]
  for (const messages of chats) {
    for (const enableThinking of [true, false]) {
      try {
        new ChatTemplate(undefined, source).render({ messages, addGenerationPrompt: true, enableThinking })
      } catch {} // it refuses these messages: whoever asks is told
    }
  }
  process.exit(0)
})
`

const verdicts = new Map<string, Promise<void>>()

/**
 * Resolves once the template is known to render in bounded time and memory, and remembers that on disk.
 * @throws {TemplateError} `ERR_TEMPLATE` when it does not
 */
export function vetTemplate(source: string, binding: NativeBinding, logger: Logger): Promise<void> {
  if (KNOWN_TEMPLATES.has(hash(source))) return Promise.resolve()
  const key = hash(`${binding.llamaVersion}\0${source}`)
  let verdict = verdicts.get(key)
  if (!verdict) {
    verdict = vet(key, source, binding, logger)
    verdicts.set(key, verdict)
    verdict.catch(() => verdicts.delete(key)) // the machine may have been too busy
  }
  return verdict
}

async function vet(key: string, source: string, binding: NativeBinding, logger: Logger): Promise<void> {
  const note = join(homedir(), '.cache', 'gpt4all-ts', 'templates', key)
  const isKnown = await stat(note).then(
    () => true,
    () => false,
  )
  if (isKnown) return
  const failure = await tryInChild(source, binding).catch((error: Error) => {
    logger.warn(`the chat template could not be tried in a child process: ${error.message}`)
    return 'not tried'
  })
  if (failure === 'not tried') return
  if (failure) throw new TemplateError(`The chat template cannot be used: ${failure}.`)
  await mkdir(join(note, '..'), { recursive: true })
    .then(() => writeFile(note, ''))
    .catch((error: Error) => logger.debug(`a vetted chat template is not remembered: ${error.message}`))
}

/** Why the template must not be used; `undefined` when it may. Rejects when no child can be started. */
function tryInChild(source: string, { file }: NativeBinding): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', CHILD, file, String(LIMIT_BYTES)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
      windowsHide: true,
    })
    let ready = false
    let late = false
    let timer = killLater(child, START_MS)
    child.stdout.once('data', () => {
      ready = true
      clearTimeout(timer)
      timer = killLater(child, LIMIT_MS, () => {
        late = true
      })
    })
    child.stdin.on('error', () => {}) // it died before it read everything
    child.stdin.end(source)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (!ready) reject(new Error(`it ended with ${signal ?? code} while it started`))
      else if (code === 0) resolve(undefined)
      else if (late) resolve(`rendering takes more than ${LIMIT_MS / 1000} s`)
      else if (signal === 'SIGKILL') resolve(`rendering takes more than ${LIMIT_BYTES / 2 ** 20} MiB`)
      else resolve(`rendering it crashes the engine with ${signal ?? code} (perhaps a macro calls itself)`)
    })
  })
}

function killLater(child: ChildProcess, ms: number, then = () => {}): NodeJS.Timeout {
  return setTimeout(() => {
    then()
    child.kill('SIGKILL')
  }, ms)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
