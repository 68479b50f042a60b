// Which library is the fastest at something, and with which of its settings.
import { installDependencies } from '../../scripts/dependencies.mjs'
import { inRoot } from '../../scripts/paths.mjs'
import { LIBRARIES, OURS } from './libraries.mjs'
import { cosine, startEmbedder } from './process.mjs'

const ALIKE = 0.999

/**
 * Tries all libraries that can do `kind` with all their settings: `scoreOf(embedder)` resolves with the higher the better.
 * Resolves with `{ best, others, failed }`, of which `best` has `{ library, setting, options, score, version }`. Whoever has other
 * vectors of `texts` than we have failed.
 */
export async function fastest({ kind, files, threads, texts, scoreOf }) {
  await installDependencies(inRoot('bench'))
  const how = { long: kind === 'long', wanted: true }
  const ours = await startEmbedder(OURS, { ...files, threads })
  const { vectors: right } = await ours.embed(texts, how)
  await ours.stop()
  const found = []
  const failed = []
  for (const library of LIBRARIES) {
    if (library.cannot?.includes(kind)) continue
    try {
      found.push(await bestOf(library, { files, threads, texts, how, right, scoreOf }))
    } catch (error) {
      failed.push(`${library.name}: ${error.message}`)
    }
  }
  if (found.length === 0) throw new Error(failed.join('; '))
  const [best, ...others] = found.sort((a, b) => b.score - a.score)
  return { best, others, failed }
}

async function bestOf(library, { files, threads, texts, how, right, scoreOf }) {
  const prepared = await library.prepare?.()
  let best
  for (const setting of library.settingsOf(threads)) {
    const options = { ...files, ...prepared, ...setting, threads }
    const embedder = await startEmbedder(library, options)
    try {
      const { vectors } = await embedder.embed(texts, how)
      const least = Math.min(...vectors.map((vector, i) => cosine(vector, right[i])))
      if (!(least >= ALIKE)) throw new Error(`its vectors are not ours (cosine ${least.toFixed(5)})`)
      const score = await scoreOf(embedder)
      if (best === undefined || score > best.score)
        best = { library, setting, options, score, version: embedder.version }
    } finally {
      await embedder.stop()
    }
  }
  return best
}

/** A library with its version and settings, in words. */
export const told = ({ library, version, setting, options }) =>
  `${library.name} ${version}, ${library.tell(options.threads, setting)}`
