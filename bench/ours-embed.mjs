// Our side of the rows on embeddings that are about us alone, in a process of its own: `node bench/ours-embed.mjs <job>
// <options as JSON>` answers with JSON on stdout. It uses the package as a user would: its public entry, built.
import { Embed4All } from '../dist/index.js'
import { textsOf } from './embed/texts.mjs'
import { loopDelays } from './event-loop.mjs'

const IDLE = 5000 // ms
const EVERY = 500 // vectors between two looks at the memory
const MIB = 2 ** 20

const jobs = { loop, memory }

const open = ({ gguf, threads }) => Embed4All.load(gguf, { nThreads: threads, device: 'cpu' })

/** The p99 of the event loop's delay while all texts are embedded in one call, less that of an idle process. */
async function loop({ rounds, count, least, most, ...options }) {
  const embedder = await open(options)
  const embed = (_, round) => embedder.embed(textsOf({ count, least, most, seed: round + 1 }))
  const measured = await loopDelays({ rounds, ms: IDLE }, embed)
  await embedder.close()
  return { values: measured.map(({ idle, generating }) => generating - idle), note: 'in one call', measured }
}

/** The most that the process has grown by since the first hundredth of its texts. */
async function memory({ count, least, most, ...options }) {
  const embedder = await open(options)
  async function* texts() {
    for (let i = 0; i < count; i += EVERY) yield* textsOf({ count: EVERY, least, most, seed: i + 1 })
  }
  const measured = []
  let done = 0
  for await (const { embedding } of embedder.embedAll(texts())) {
    if (embedding.length === 0) throw new Error('a vector is empty')
    if (++done % EVERY === 0) measured.push(process.memoryUsage.rss() / MIB)
  }
  await embedder.close()
  if (done !== count) throw new Error(`${done} vectors came of ${count} texts`)
  const [first, ...rest] = measured.slice(measured.length / 100)
  const note = `${first.toFixed(0)} MiB after ${count / 100} texts, ${rest.at(-1).toFixed(0)} MiB after all`
  return { values: [Math.max(...rest) - first], note, measured }
}

const [job, options] = process.argv.slice(2)
process.stdout.write(JSON.stringify(await jobs[job](JSON.parse(options))))
