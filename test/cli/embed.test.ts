import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Embed4All } from '../../src/index.ts'
import { home, run, start } from '../support/cli.ts'
import { EMBEDDED, EMBEDDER, hasEmbedder } from '../support/models.ts'
import { json } from '../support/server.ts'
import { tinyEncoder } from '../support/tiny-encoders.ts'
import { tinyModel } from '../support/tiny-models.ts'

if (!hasEmbedder)
  console.warn('Tests on all-MiniLM-L6-v2 are skipped: run `npm run models:fetch` to have it.')

const folder = join(home, 'models')
const file = join(folder, 'vectors.gguf')
mkdirSync(folder)
writeFileSync(file, tinyModel('bert'))
copyFileSync(EMBEDDED, join(folder, 'writer.gguf'))

const OPTIONS = ['-m', file, '--prefix', '', '--n-threads', '1']
const embed = (args: readonly string[], input = '') => run(['embed', ...OPTIONS, ...args], input)

async function vectorsOf(texts: readonly string[], options = {}): Promise<number[][]> {
  await using embedder = await Embed4All.load(file, { nThreads: 1 })
  const { embeddings } = await embedder.embed(texts, { prefix: '', ...options })
  return embeddings.map((vector) => Array.from(vector, (number) => expect.closeTo(number, 6)))
}

const parsed = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('gpt4all-ts embed', () => {
  test('writes the vector of each argument as an array in JSON, and nothing else', async () => {
    const { code, stdout, stderr } = await run(['-q', 'embed', ...OPTIONS, 'the cat', 'sat'])
    expect([code, stderr]).toEqual([0, ''])
    expect(parsed(stdout)).toEqual(await vectorsOf(['the cat', 'sat']))
  })

  test('takes each line of stdin as a text, also an empty one, and whatever else ends lines elsewhere', async () => {
    const texts = ['one', '', 'two\u2028three', 'four\rfive', 'six']
    const { stdout } = await embed(['--jsonl'], `${texts.slice(0, 4).join('\r\n')}\nsix`)
    expect(parsed(stdout).map(({ text }) => text)).toEqual(texts)
    const [, , third] = await vectorsOf(texts)
    expect(parsed(stdout)[2].embedding).toEqual(third)
  })

  test('reads lines after arguments with a last -', async () => {
    const { stdout } = await embed(['--jsonl', 'one', '-'], 'two\n')
    expect(parsed(stdout).map(({ text }) => text)).toEqual(['one', 'two'])
  })

  test('writes rows with --csv', async () => {
    const { stdout } = await embed(['--csv', 'say "hi", cat'])
    const [, text, numbers] = /^"(.*)",([^"]*)\n$/.exec(stdout)!
    expect(text).toBe('say ""hi"", cat')
    expect([numbers!.split(',').map(Number)]).toEqual(await vectorsOf(['say "hi", cat']))
  })

  test('has the options of the library', async () => {
    const long = 'cat '.repeat(500)
    const made = async (...args: string[]) => parsed((await embed([...args, long])).stdout)
    expect(await made('--dimensions', '8')).toEqual(await vectorsOf([long], { dimensionality: 8 }))
    expect(await made('--long-texts', 'truncate')).toEqual(
      await vectorsOf([long], { longTextMode: 'truncate' }),
    )
    expect(await made('--prefix', 'query')).toEqual(await vectorsOf([long], { prefix: 'query' }))
    const { code, stdout, stderr } = await embed(['--long-texts', 'error', long])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('exceeds limit of')
  })

  test('writes the vectors of many lines in their order', async () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i % 7} of ${i}`)
    const { stdout } = await embed(['--jsonl'], lines.join('\n'))
    expect(parsed(stdout).map(({ text }) => text)).toEqual(lines)
  })

  test('ends when it is interrupted while it waits for lines', async () => {
    const { child, ended } = start(['embed', ...OPTIONS, '--jsonl'])
    child.stdin.on('error', () => {})
    child.stdin.write('one\n'.repeat(1000))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGINT')
    expect((await ended).code).toBe(130)
  })

  test.each([
    ['formats that exclude one another', ['--jsonl', '--csv', 'a'], 2, '--csv'],
    ['no dimensions', ['--dimensions', '0', 'a'], 2, '1 or more'],
    ['too many dimensions', ['--dimensions', '4096', 'a'], 2, '4096'],
    ['another way with long texts', ['--long-texts', 'cut', 'a'], 2, 'mean, truncate, error'],
    ['a model that is not there', ['-m', 'nowhere', '--no-allow-download', 'a'], 3, 'nowhere'],
    ['a model that writes text', ['-m', EMBEDDED, 'a'], 3, 'generates text'],
  ])('refuses %s', async (_, args, code, said) => {
    const { stderr, ...ended } = await embed(args)
    expect(ended).toEqual({ code, stdout: '' })
    expect(stderr).toContain(said)
  })

  test('says that a model whose prefixes are not known needs one', async () => {
    const { code, stderr } = await run(['embed', '-m', file, 'a'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('specify a prefix')])
  })

  test('embeds with a model that writes text if --pooling is given', async () => {
    const { code, stdout } = await run(['embed', '-m', EMBEDDED, '--prefix', '', '--pooling', 'mean', 'a'])
    expect([code, parsed(stdout)]).toEqual([0, [expect.any(Array)]])
  })

  test.skipIf(!hasEmbedder)('uses all-MiniLM-L6-v2 without a name', async () => {
    const at = join(EMBEDDER, '..')
    const { code, stdout } = await run(['embed', '--model-path', at, '--no-allow-download', 'a'])
    expect([code, parsed(stdout)[0].length]).toEqual([0, 384])
  })
})

test.each([
  ['bert', '/v1/embeddings', { input: 'the cat' }],
  ['reranker-bert', '/v1/rerank', { query: 'cat', documents: ['the cat'] }],
] as const)('serve -m opens a model for what it is for: %s', async (name, path, body) => {
  const at = join(home, `${name}.gguf`)
  writeFileSync(at, tinyEncoder(name))
  const { child, said, ended } = start(['serve', '-m', at, '--port', '0', '--n-threads', '1', '--temp', '0'])
  const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
  const answer = await json(fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) }))
  expect(answer).toMatchObject({ object: 'list', model: name })
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

test('models list says which models make embeddings', async () => {
  const list = (...flags: string[]) => run(['models', 'list', '--local', '--model-path', folder, ...flags])
  const { stdout } = await list()
  expect(stdout).toMatch(/^ {2}vectors\.gguf .*makes embeddings$/m)
  expect(stdout).not.toMatch(/writer.*makes embeddings/)
  const { local } = JSON.parse((await list('--json')).stdout)
  expect(local.map(({ purpose }: { purpose: string }) => purpose)).toEqual(['embeddings', 'text'])
})

test('generate does not choose an embedding model', async () => {
  const { code, stdout } = await run(['generate', '--model-path', folder, '--json', '-n', '1', 'Hi'])
  expect([code, JSON.parse(stdout).model]).toEqual([0, 'writer'])
})
