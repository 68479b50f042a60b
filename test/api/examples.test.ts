import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EMBEDDER, hasEmbedder, hasReal, REAL } from '../support/models.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'

const root = join(import.meta.dirname, '..', '..')
const EMBEDDED = 'models/gpt4all-ts-tiny-chat.Q8_0.gguf'

/** Code blocks that import the library, as a reader would paste them; models of the reader's are the embedded one. */
async function codeBlocks(file: string): Promise<string[]> {
  const source = (await readFile(join(root, file), 'utf8')).replaceAll(/^ +\* ?/gm, '')
  const blocks = [...source.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '')
  // A name that stands beside a modelPath is one in that folder; embedding models are in the home folder below.
  return blocks.map((block) =>
    block.includes('modelPath') || block.includes('Embed4All')
      ? block.replace('dimensionality: 64', 'dimensionality: 16') // tiny models have 32 numbers
      : block.replaceAll(/(?<![\w./-])(?!gpt4all-ts\/)[\w./-]+\.gguf/g, EMBEDDED),
  )
}

/** Models as the examples name them, in the default folder: MiniLM where it is here, else a tiny model. */
async function embeddingModels(home: string): Promise<void> {
  const models = join(home, '.cache', 'gpt4all')
  await mkdir(models, { recursive: true })
  const miniLm = join(models, 'all-MiniLM-L6-v2.gguf2.f16.gguf')
  if (hasEmbedder) await symlink(EMBEDDER, miniLm)
  else await writeFile(miniLm, tinyEncoder('bert', 'all-MiniLM-L6-v2'))
  for (const name of ['nomic-embed-text-v1', 'nomic-embed-text-v1.5'])
    await writeFile(join(models, `${name}.f16.gguf`), tinyEncoder('nomic-bert', name))
}

const withImport = (block: string) =>
  block.includes("from 'gpt4all-ts'") ? block : `import { GPT4All } from 'gpt4all-ts'\n${block}`

const examples: [string, string][] = []
for (const file of [
  'README.md',
  'docs/devices.md',
  'docs/embeddings.md',
  'docs/errors.md',
  'docs/generation.md',
  'docs/gui-parity.md',
  'docs/isolation.md',
  'docs/many-conversations.md',
  'docs/migrating.md',
  'docs/models.md',
  'docs/recipes.md',
  'docs/sampling.md',
  'docs/server.md',
  'src/gpt4all.ts',
  'src/runtime/isolated/engine.ts',
]) {
  for (const [i, code] of (await codeBlocks(file)).entries()) examples.push([`${file}, block ${i + 1}`, code])
}
/** Its answers mean something only with real models. */
const ASKS = 'ask-documents.mjs'
for (const file of await readdir(join(root, 'examples'))) {
  if (file === ASKS) continue
  examples.push([`examples/${file}`, await readFile(join(root, 'examples', file), 'utf8')])
}

describe('every example in the documents runs as printed', () => {
  let folder: string
  beforeAll(async () => {
    // Below our package.json, so that 'gpt4all-ts' is this package, built.
    await mkdir(join(root, '.cache'), { recursive: true })
    folder = await mkdtemp(join(root, '.cache', 'examples-'))
    await embeddingModels(folder)
  })
  afterAll(() => rm(folder, { recursive: true }))

  test.each(examples)('%s', async (name, code) => {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.mjs`)
    await writeFile(file, withImport(code))
    const env = { ...process.env, HOME: folder, USERPROFILE: folder }
    const args = ['--disable-warning=GPT4ALL_CPU', file] // there may be no GPU to ask for
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
    expect(stdout).not.toBe('')
    expect(stderr).toBe('')
  })

  if (!hasEmbedder || !hasReal) test.skip(`examples/${ASKS}: npm run models:fetch`, () => {})

  test.runIf(hasEmbedder && hasReal)(`examples/${ASKS}`, async () => {
    const documents = join(folder, 'documents')
    await mkdir(documents)
    await writeFile(
      join(documents, 'shop.md'),
      '# Hours\n\nThe shop opens at nine.\n\n# Returns\n\nSend it back within 30 days.\n',
    )
    await writeFile(join(documents, 'garden.md'), '# Roses\n\nWater the roses in the evening.\n')
    const file = join(folder, ASKS)
    await writeFile(file, await readFile(join(root, 'examples', ASKS), 'utf8'))
    const env = { ...process.env, HOME: folder, USERPROFILE: folder }
    const ask = async (question: string) => {
      const args = [file, documents, question, '--chat', REAL, '--database', join(folder, 'documents.db')]
      return (await promisify(execFile)(process.execPath, args, { cwd: root, env })).stdout
    }

    const first = await ask('When can I water my flowers?')
    expect(first).toContain('3 new sections, 0 removed.')
    expect(first).toMatch(/\S[\s\S]*Sources:\n- garden\.md, Roses \(cosine 0\.\d\d\)\n/)

    await rm(join(documents, 'garden.md'))
    const second = await ask('Can I give a pair of shoes back?')
    expect(second).toContain('0 new sections, 1 removed.')
    expect(second).toMatch(/Sources:\n- shop\.md, Returns/)
    expect(second).not.toContain('garden.md')
  })
})
