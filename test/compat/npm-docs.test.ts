import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DIMENSIONS, type Gallery, makeGallery } from '../support/gallery.ts'
import { fileBytes } from '../support/hostile-server.ts'

// The examples of gpt4all's documentation for Node.js. Those of the package's README run as printed, with the import
// changed and nothing else. Those of older pages are written anew with the same calls; the originals run too where
// GPT4ALL_SOURCE names a checkout of nomic-ai/gpt4all.

const SOURCE = process.env.GPT4ALL_SOURCE
const PAGE = join(SOURCE ?? '', 'gpt4all-bindings', 'python', 'docs', 'old', 'gpt4all_nodejs.md')
const README = join(import.meta.dirname, 'old', 'examples.md')
const GROOVY = 'ggml-gpt4all-j-v1.3-groovy.bin'

let gallery: Gallery
beforeAll(async () => {
  gallery = await makeGallery()
  gallery.server.host(GROOVY, {
    bytes: Buffer.concat([Buffer.from('GGUF'), fileBytes(1, 9996)]),
    faults: [],
  })
})
afterAll(() => gallery.close())

type Example = {
  readonly title: string
  readonly code: string
  readonly check: (stdout: string) => void
}

const messagesIn = (stdout: string) => stdout.match(/\{\s+role: 'assistant',\s+content: /g)?.length ?? 0
const isVector = (stdout: string) => {
  expect(stdout).toMatch(/n_prompt_tokens: \d+,/)
  expect(stdout).toContain(`Float32Array(${DIMENSIONS})`)
}

async function blocksOf(file: string): Promise<string[]> {
  const text = (await readFile(file, 'utf8')).replaceAll('\r', '')
  const blocks = text.matchAll(/```js\n(.*?)```/gs)
  return Array.from(blocks, ([, code]) =>
    code!.replaceAll(/from (['"])(\.\.\/src\/gpt4all\.js|gpt4all)\1/g, "from 'gpt4all-ts/compat'"),
  )
}

const README_CHECKS: readonly Pick<Example, 'title' | 'check'>[] = [
  { title: '1. Chat Completion', check: (stdout) => expect(messagesIn(stdout)).toBe(2) },
  { title: '2. Stateless usage', check: (stdout) => expect(messagesIn(stdout)).toBe(2) },
  { title: '3. Embedding', check: isVector },
  { title: '4. Streaming responses', check: (stdout) => expect(stdout).toMatch(/^Output: \S.*\n$/ms) },
  { title: '5. Async Generators', check: (stdout) => expect(stdout).toMatch(/^Output: \S.*\n$/ms) },
  { title: '6. Offline usage', check: () => expect(gallery.server.requests).toEqual([]) },
]
const readme = await blocksOf(README)

/** The page for Node.js before 4.0.0's README, and other places. */
const OLDER: readonly Example[] = [
  {
    title: '7. chat completion: every name is exported, and a completion has no message of its own',
    code: `
      import {
        createCompletion, DEFAULT_DIRECTORY, DEFAULT_LIBRARIES_DIRECTORY, LLModel, loadModel,
      } from 'gpt4all-ts/compat'
      const model = await loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { verbose: true, device: 'gpu' })
      const first = await createCompletion(model, 'What is 1 plus 1?', { verbose: true })
      console.log(first.message, first.choices[0].message)
      const second = await createCompletion(model, 'What is 2 plus 2?', { verbose: true })
      console.log(second.message, second.choices[0].message)
      console.log([DEFAULT_DIRECTORY, DEFAULT_LIBRARIES_DIRECTORY, LLModel].map((one) => typeof one).join())
      model.dispose()`,
    check(stdout) {
      expect(stdout.match(/^undefined \{\s+role: 'assistant',/gm)).toHaveLength(2)
      expect(stdout).toContain('string,string,function')
    },
  },
  {
    title: '8. embedding with all-MiniLM-L6-v2-f16.gguf',
    code: `
      import { createEmbedding, loadModel } from 'gpt4all-ts/compat'
      const embedder = await loadModel('all-MiniLM-L6-v2-f16.gguf', { verbose: true, type: 'embedding' })
      console.log(createEmbedding(embedder, 'the cat sat on the mat'))`,
    check: isVector,
  },
  {
    title: '9. a chat session',
    code: `
      import { createCompletion, loadModel } from 'gpt4all-ts/compat'
      const model = await loadModel('orca-mini-3b-gguf2-q4_0.gguf', { verbose: true, device: 'gpu' })
      const chat = await model.createChatSession()
      await createCompletion(chat, 'My name is Ada.', { verbose: true })
      const answer = await createCompletion(chat, 'What is my name?', { verbose: true })
      console.log(answer.choices[0].message.content)`,
    check: (stdout) => expect(stdout).toContain('Ada'),
  },
  {
    title: '10. streams of the default import, by events and by pipe()',
    code: `
      import gpt from 'gpt4all-ts/compat'
      const model = await gpt.loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { device: 'gpu' })
      process.stdout.write('### Stream:')
      const stream = gpt.createCompletionStream(model, 'What is the capital of France?')
      stream.tokens.on('data', (data) => {
        process.stdout.write(data)
      })
      await stream.result
      process.stdout.write('\\n### Stream with pipe:')
      const piped = gpt.createCompletionStream(model, 'What is the capital of Italy?')
      piped.tokens.pipe(process.stdout)
      await piped.result
      process.stdout.write('\\n')
      console.log('done')
      model.dispose()`,
    check: (stdout) => expect(stdout).toMatch(/Stream:.*Paris.*pipe:.*Rome.*\ndone\n$/s),
  },
  {
    title: '11. a generator of the default import',
    code: `
      import gpt from 'gpt4all-ts/compat'
      const model = await gpt.loadModel('mistral-7b-openorca.gguf2.Q4_0.gguf', { device: 'gpu' })
      process.stdout.write('### Generator:')
      const generator = gpt.createCompletionGenerator(model, 'What is the capital of France?')
      for await (const chunk of generator) process.stdout.write(chunk)
      process.stdout.write('\\n')
      model.dispose()`,
    check: (stdout) => expect(stdout).toMatch(/### Generator:.*Paris\.\n$/),
  },
  {
    title: '12. downloadModel() in the type declarations',
    code: `
      import { downloadModel } from 'gpt4all-ts/compat'
      const download = downloadModel('${GROOVY}')
      download.promise.then(() => console.log('Downloaded!'))`,
    check(stdout) {
      expect(stdout).toContain('Downloaded!')
      expect(existsSync(join(gallery.models, GROOVY))).toBe(true)
    },
  },
  {
    title: '13. temperature 0 in the FAQ, which makes answers repeat',
    code: `
      import { createCompletion, loadModel } from 'gpt4all-ts/compat'
      const model = await loadModel('orca-mini-3b-gguf2-q4_0.gguf')
      const messages = [{ role: 'user', content: 'Tell me a story.' }]
      for (let i = 0; i < 2; i++) {
        const completion = await createCompletion(model, messages, { temp: 0, nPredict: 40 })
        console.log(JSON.stringify(completion.choices[0].message.content))
      }
      model.dispose()`,
    check(stdout) {
      const [first, second] = stdout.split('\n').filter((line) => line.startsWith('"'))
      expect(first?.length).toBeGreaterThan(10)
      expect(second).toBe(first)
    },
  },
]

describe('the examples of the documentation of gpt4all for Node.js', () => {
  test('are six in the README', () => {
    expect(readme).toHaveLength(README_CHECKS.length)
  })

  test.for(README_CHECKS.map(({ title, check }, i) => [title, readme[i]!, check] as const))(
    'README, as printed: %s',
    async ([, code, check], { signal }) => check((await gallery.run(code, { signal })).stdout),
  )

  test.for(OLDER.map(({ title, code, check }) => [title, code, check] as const))(
    '%s',
    async ([, code, check], { signal }) => check((await gallery.run(code, { signal })).stdout),
  )

  const isHere = SOURCE !== undefined && existsSync(PAGE)
  test.skipIf(!isHere)(
    'the old page for Node.js, the original (needs GPT4ALL_SOURCE)',
    async ({ signal }) => {
      const blocks = (await blocksOf(PAGE)).filter((code) => code.includes('import'))
      expect(blocks).toHaveLength(5)
      for (const code of blocks) await gallery.run(code, { signal })
    },
  )
})
