import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, makeCacheFolder } from '../cache-folder.ts'
import { TemplateError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { environmentOf } from '../native/child-environment.ts'
import { canStart } from '../native/own-node.ts'
import type { NativeBinding } from '../native/types.ts'
import { Queue } from '../queue.ts'
import { writeWhole } from '../whole-file.ts'
import { KNOWN_TEMPLATES } from './known-templates.ts'

/** What a template may take to render a few short conversations: time of the processor, since a machine may be busy. */
const LIMIT_MS = 2000
const LIMIT_BYTES = 512 * 2 ** 20
/** After this long there is something else wrong: no verdict. */
const GIVE_UP_MS = 60_000

/**
 * llama.cpp's Jinja engine is fast, but a macro that calls itself overflows the stack and an endless loop never
 * returns: no exception tells of either. So a template that is not known is tried in a child process first, which
 * may die of it. Run by `node -e`, since a bundled program has no file of ours to run.
 */
const CHILD = `
const { ChatTemplate } = require(require('node:url').fileURLToPath(process.argv[1]))
const source = require('node:fs').readFileSync(0, 'utf8')
const watch = \`
  const { parentPort, workerData: { bytes, ms, parent } } = require('node:worker_threads')
  const end = (why) => { require('node:fs').writeSync(1, why); process.kill(process.pid, 'SIGKILL') }
  const since = process.cpuUsage()
  setInterval(() => {
    if (process.memoryUsage.rss() > bytes) end('memory')
    const { user, system } = process.cpuUsage(since)
    if ((user + system) / 1000 > ms) end('time')
    if (process.ppid !== parent) end('orphan')
  }, 10)
  parentPort.postMessage('watching')
\`
const [, , limitBytes, limitMs] = process.argv
const workerData = { bytes: process.memoryUsage.rss() + Number(limitBytes), ms: Number(limitMs), parent: process.ppid }
new (require('node:worker_threads').Worker)(watch, { eval: true, workerData }).once('message', () => {
  require('node:fs').writeSync(1, 'ready ')
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

/** One child at a time: several would only make each other slower. */
const line = new Queue()

/**
 * Resolves once the template is known to render in bounded time and memory, which is remembered on disk, or cannot be
 * tried here, which is logged.
 * @throws {TemplateError} `ERR_TEMPLATE` when it does not
 */
export function vetTemplate(source: string, binding: NativeBinding, logger: Logger): Promise<void> {
  if (KNOWN_TEMPLATES.has(hash(source))) return Promise.resolve()
  const key = keyOf(source, binding)
  let verdict = verdicts.get(key)
  if (!verdict) {
    verdict = vet(key, source, binding, logger)
    verdicts.set(key, verdict)
    verdict.catch(() => verdicts.delete(key)) // the next one to ask tries it again
  }
  return verdict
}

/** Whether it was tried already, or needs not to be. */
export async function isVetted(source: string, binding: NativeBinding): Promise<boolean> {
  return KNOWN_TEMPLATES.has(hash(source)) || isRemembered(keyOf(source, binding))
}

const keyOf = (source: string, binding: NativeBinding) => hash(`${binding.llamaVersion}\0${source}`)

function isRemembered(key: string): Promise<boolean> {
  const folder = cacheFolder()
  return (folder ? stat(join(folder, 'templates', key)) : Promise.reject()).then(
    () => true,
    () => false,
  )
}

async function vet(key: string, source: string, binding: NativeBinding, logger: Logger): Promise<void> {
  if (await isRemembered(key)) return
  if (!canStart('vetting'))
    return logger.debug('a chat template is not tried first: this program is its own Node.js')
  const leave = await line.enter()
  try {
    const failure = await tryInChild(source, binding)
    if (failure) throw new TemplateError(`The chat template cannot be used: ${failure}.`)
  } catch (error) {
    if (error instanceof TemplateError) throw error
    return logger.warn(`the chat template could not be tried in a child process: ${(error as Error).message}`)
  } finally {
    leave()
  }
  await makeCacheFolder('templates')
    .then((templates) => writeWhole(join(templates, key), ['']))
    .catch((error: Error) => logger.debug(`a vetted chat template is not remembered: ${error.message}`))
}

/** Why the template must not be used; `undefined` when it may. Rejects when that cannot be found out. */
function tryInChild(source: string, { file }: NativeBinding): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', CHILD, file, String(LIMIT_BYTES), String(LIMIT_MS)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: environmentOf('vetting'),
      windowsHide: true,
    })
    let said = ''
    child.stdout.on('data', (data) => {
      said += data
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), GIVE_UP_MS)
    child.stdin.on('error', () => {}) // it died before it read everything
    child.stdin.end(source)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const crash = `rendering it crashes the engine with ${signal ?? code} (perhaps a macro calls itself)`
      if (said === 'ready ' && code === 0) resolve(undefined)
      else if (said === 'ready time') resolve(`rendering takes more than ${LIMIT_MS / 1000} s`)
      else if (said === 'ready memory') resolve(`rendering takes more than ${LIMIT_BYTES / 2 ** 20} MiB`)
      else if (said === 'ready ' && signal !== 'SIGKILL') resolve(crash)
      else reject(new Error(`it ended with ${signal ?? code}${said ? '' : ' while it started'}`))
    })
  })
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
