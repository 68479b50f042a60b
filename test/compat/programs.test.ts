import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHAT_MODELS, DIMENSIONS, type Gallery, makeGallery, type RunOptions } from '../support/gallery.ts'

// The twelve programs of gpt4all 4.0.0's spec/ folder. Those in programs/ make the same calls with prompts that the
// embedded model can answer. The originals run too where GPT4ALL_SOURCE names a checkout of nomic-ai/gpt4all.

const SOURCE = process.env.GPT4ALL_SOURCE
const ORIGINALS = join(SOURCE ?? '', 'gpt4all-bindings', 'typescript', 'spec')
const OURS = join(import.meta.dirname, 'programs')

let gallery: Gallery
beforeAll(async () => {
  gallery = await makeGallery()
  await mkdir(join(gallery.home, 'src'))
  const types =
    'declare function createCompletion(provider: CompletionProvider): Promise<CompletionResult>;\n'
  await writeFile(join(gallery.home, 'src', 'gpt4all.d.ts'), types.repeat(60))
})
afterAll(() => gallery.close())

/** In place of the file that embed-jsonl reads from the internet. */
const PAIRS = [
  ['Who sat?', 'The cat sat.'],
  ['Who ran?', 'The dog ran.'],
]
const jsonLines = gzipSync(PAIRS.map((pair) => JSON.stringify(pair)).join('\n')).toString('base64')
const withoutInternet = `globalThis.fetch = async () => new Response(Buffer.from('${jsonLines}', 'base64'))`

type Output = { readonly stdout: string; readonly stderr: string }
type Program = {
  readonly promises: string
  readonly options?: RunOptions
  /** What it prints, whatever it asks the model. */
  readonly check: (output: Output) => void
  /** What the model answers to the questions of ours. */
  readonly answers?: (stdout: string) => void
}

/** The messages that it printed, none of which may be empty. */
function expectMessages({ stdout }: Output, count: number): void {
  expect(stdout.match(/role: 'assistant',\s+content:\s+['"`](?!['"`]\s+})/g)).toHaveLength(count)
}
const numbers = (text: string, pattern: RegExp) =>
  Array.from(text.matchAll(pattern), ([, one]) => Number(one))

/** The lines of streaming.mjs, by their titles. */
function streamed(stdout: string): Record<string, string> {
  const parts = stdout.split(/^### ([^:]+):/m).slice(1)
  return Object.fromEntries(parts.flatMap((title, i) => (i % 2 === 0 ? [[title, parts[i + 1]!.trim()]] : [])))
}
const isWrittenTwice = (text: string) =>
  text.slice(0, text.length / 2) === text.slice(text.length / 2) && text.length % 2 === 0

const PROGRAMS: Record<string, Program> = {
  callbacks: {
    promises: 'an exception in onPromptToken is told, and the completion resolves',
    check({ stdout, stderr }) {
      expect(stdout.match(/^onPromptToken \{ tokenId: \d+ \}$/gm)).toHaveLength(1)
      expect(stdout + stderr).toContain('This is an error')
      expect(stdout).toMatch(/Output: \{\s+usage: \{\s+prompt_tokens: \d+,\s+total_tokens: \d+,/)
      expect(stdout).toMatch(
        /completion_tokens: \d+,\s+n_past_tokens: \d+\s+\},\s+message: \{ ?\s*role: 'assis/,
      )
    },
  },
  'chat-memory': {
    promises: '35 turns of a session that began with messages go past the end of the context',
    check(output) {
      expectMessages(output, 35)
      const past = numbers(output.stdout, /n_past_tokens: (\d+)/g)
      expect(past).toHaveLength(32)
      expect(past[1]).toBeGreaterThan(past[0]!)
      expect(Math.max(...past)).toBeLessThanOrEqual(2048)
    },
    answers: (stdout) => expect(stdout.match(/content: .*/g)?.[0]).toContain('Ada'),
  },
  'chat-minimal': {
    promises: 'a session without options answers twice, and the process ends without dispose()',
    check: ({ stderr }) => expect(stderr.match(/Finished completion/g)).toHaveLength(2),
  },
  concurrency: {
    promises: 'three models answer four questions at once',
    check: (output) => expectMessages(output, 4),
    answers(stdout) {
      expect(stdout).toMatch(/(1 plus 1 is 2.*){2}1 plus 2 is 3.*1 plus 3 is 4/s)
    },
  },
  embed: {
    promises: 'two vectors are there at once, without await',
    check({ stdout }) {
      expect(stdout).toMatch(/n_prompt_tokens: \d+,/)
      expect(stdout.match(new RegExp(`Float32Array\\(${DIMENSIONS}\\)`, 'g'))).toHaveLength(2)
    },
  },
  'embed-jsonl': {
    promises: 'each line of a file has its vectors when it is read',
    options: { preload: `data:text/javascript,${encodeURIComponent(withoutInternet)}` },
    check({ stdout }) {
      expect(stdout).toMatch(/^Running with \d+ threads$/m)
      expect(stdout.match(/n_prompt_tokens: \d+/g)).toHaveLength(PAIRS.length)
      expect(stdout.match(/Float32Array/g)).toHaveLength(PAIRS.flat().length)
    },
  },
  llmodel: {
    promises: 'the native model tells of itself, and a class that extends it breaks nothing',
    check({ stdout }) {
      expect(numbers(stdout, /^state size (\d+)$/gm)[0]).toBeGreaterThan(0)
      expect(numbers(stdout, /^thread count (\d+)$/gm)).toEqual([expect.any(Number), 5, 4])
      expect(stdout).toContain(`name ${CHAT_MODELS[1]}\n`)
      expect(stdout).toMatch(/^type: \w+$/m)
      expect(stdout).toContain(`Default directory for models ${gallery.models}\n`)
      expect(stdout).toMatch(/^Default directory for libraries .*;/m)
      expect(stdout).toMatch(/^Has GPU (true|false)$/m)
      expect(stdout).toMatch(/^gpu devices (\[|Unable to retrieve list of all GPU devices$)/m)
      expect(stdout).toMatch(/^Required Mem in bytes \d+$/m)
      expect(stdout.match(/^🤖 > \S/gm)).toHaveLength(2)
      expect(stdout.trimEnd()).toMatch(/\nmodel disposed, exiting\.\.\.$/)
    },
  },
  'long-context': {
    promises: 'a prompt of more than 2048 tokens is answered with nCtx 32768',
    check: (output) => expectMessages(output, 1),
  },
  'model-switching': {
    promises: 'a session has its messages after its model is gone, and another model goes on with them',
    check: (output) => expectMessages(output, 6),
    answers: (stdout) => expect(stdout.match(/content: .*/g)?.[4]).toContain('Ada'),
  },
  stateless: {
    promises: 'a conversation grows by the messages that completions return',
    check: (output) => expectMessages(output, 3),
    answers: (stdout) => expect(stdout.match(/content: .*/g)?.[0]).toContain('ADA'),
  },
  streaming: {
    promises: 'each way to stream writes the text once, and a generator returns the completion',
    check({ stdout }) {
      const texts = streamed(stdout)
      const ways = ['Stream', 'Stream with pipe', 'Generator', 'Callback', '2nd Generator']
      expect(Object.keys(texts)).toEqual(ways)
      for (const way of ways) expect(texts[way]).not.toBe('')
      for (const way of ways) expect(isWrittenTwice(texts[way]!)).toBe(false)
      const [said, finished] = texts['2nd Generator']!.split(/\ngenerator finished /)
      expect(finished).toMatch(/^\{\s+value: \{\s+model: '[^']+',\s+usage: \{/)
      expect(finished).toMatch(/done: true\s+\}$/)
      expect(said).not.toBe('')
    },
    answers(stdout) {
      const { 'Stream with pipe': piped, Callback: called, '2nd Generator': second } = streamed(stdout)
      expect(piped).toMatch(/^1, 2, 3/)
      expect(called).toMatch(/^[^P]*Paris\.$/)
      expect(second).toMatch(/^2 plus 2 is 4\.\n/)
    },
  },
  system: {
    promises: 'a system prompt in the format of the model is understood as such',
    check: (output) => expectMessages(output, 1),
    answers: (stdout) => expect(stdout).toContain('PARIS'),
  },
}

const programs = Object.entries(PROGRAMS)
const withPromises = programs.map(([name, program]) => [name, program.promises, program] as const)

describe("programs that make the calls of gpt4all 4.0.0's spec folder", () => {
  test.for(withPromises)('%s: %s', async ([name, , program], { signal }) => {
    const code = await readFile(join(OURS, `${name}.mjs`), 'utf8')
    const output = await gallery.run(code, { signal, ...program.options })
    program.check(output)
    program.answers?.(output.stdout)
  })

  const isHere = SOURCE !== undefined && existsSync(ORIGINALS)
  test.skipIf(!isHere).for(programs)(
    '%s, the original (needs GPT4ALL_SOURCE)',
    async ([name, program], { signal }) => {
      const code = await readFile(join(ORIGINALS, `${name}.mjs`), 'utf8')
      expect(code).toMatch(/['"]\.\.\/src\/gpt4all\.js['"]/)
      const ported = code.replaceAll(/(['"])\.\.\/src\/gpt4all\.js\1/g, '$1gpt4all-ts/compat$1')
      program.check(await gallery.run(ported, { signal, ...program.options }))
    },
  )
})
