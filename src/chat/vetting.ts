import { createHash } from 'node:crypto'
import { TemplateError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { inChild, NoVerdict, type TrialEnd, Trials } from '../native/trial.ts'
import type { NativeBinding } from '../native/types.ts'
import { KNOWN_TEMPLATES } from './known-templates.ts'

/** What a template may take to render a few short conversations. */
const LIMITS = { limitMs: 2000, limitBytes: 512 * 2 ** 20, giveUpMs: 60_000 }

/**
 * llama.cpp's Jinja engine is fast, but a macro that calls itself overflows the stack and an endless loop never
 * returns: no exception tells of either. So a template that is not known is tried in a child process first.
 */
const PROGRAM = `({ ChatTemplate }, source, watch) => {
  watch()
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
}`

const trials = new Trials('vetting', 'templates', 'a chat template')

/**
 * Resolves once the template is known to render in bounded time and memory, which is remembered on disk, or cannot be
 * tried here, which is logged.
 * @throws {TemplateError} `ERR_TEMPLATE` when it does not
 */
export async function vetTemplate(source: string, binding: NativeBinding, logger: Logger): Promise<void> {
  if (KNOWN_TEMPLATES.has(hash(source))) return
  const attempt = async (signal: AbortSignal) => {
    const trial = { role: 'vetting', program: PROGRAM, input: source, ...LIMITS, signal } as const
    const failure = failureOf(await inChild(trial, binding))
    if (failure) throw new TemplateError(`The chat template cannot be used: ${failure}.`)
    return true
  }
  await trials.pass(keyOf(source, binding), attempt, logger)
}

/** Whether it was tried already, or needs not to be. */
export async function isVetted(source: string, binding: NativeBinding): Promise<boolean> {
  return KNOWN_TEMPLATES.has(hash(source)) || trials.isRemembered(keyOf(source, binding))
}

const keyOf = (source: string, binding: NativeBinding) => hash(`${binding.llamaVersion}\0${source}`)

/** Why the template must not be used; `undefined` when it may. */
function failureOf({ end, status }: TrialEnd): string | undefined {
  if (end === 'time') return `rendering takes more than ${LIMITS.limitMs / 1000} s`
  if (end === 'memory') return `rendering takes more than ${LIMITS.limitBytes / 2 ** 20} MiB`
  if (end === 'killed') throw new NoVerdict('it was killed')
  if (end === 'crash') return `rendering it crashes the engine with ${status} (perhaps a macro calls itself)`
  return undefined
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
