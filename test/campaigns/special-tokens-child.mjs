// Attacks a model with eight texts of megabytes of special tokens at once, while somebody else asks for a short answer.
import { readFileSync } from 'node:fs'
import { GPT4All } from '../../dist/index.js'

const [, , path, attack] = process.argv
const { text, ids } = JSON.parse(readFileSync(attack, 'utf8'))
// So large that nothing is refused for its length.
const model = await GPT4All.load(path, { nCtx: 2 ** 19, nThreads: 1, parallel: 2, tryFirst: false })

async function firstToken() {
  const since = performance.now()
  await model.generate('Hello there', { maxTokens: 1, temp: 0 })
  return performance.now() - since
}

async function median(count) {
  const times = []
  for (let i = 0; i < count; i++) times.push(await firstToken())
  return times.sort((a, b) => a - b)[count >> 1]
}

/** Eight of them at once: what others wait for meanwhile, and how long it takes to be rid of them. */
async function attacked(start) {
  const abort = new AbortController()
  const waiting = Array.from({ length: 8 }, () => start(abort.signal).then(null, () => {}))
  const meanwhile = await median(15)
  const since = performance.now()
  abort.abort()
  await Promise.all(waiting)
  return { meanwhile, aborted: performance.now() - since }
}

await median(20)
const before = await median(15)
const byText = await attacked((signal) => model.generate(text, { maxTokens: 1, signal }).then())
const between = await median(15)
// Ids are no work until they are evaluated; more of them than fit are refused at once.
const byIds = await attacked((signal) => model.generate(ids, { maxTokens: 1, signal }).then())
console.log(JSON.stringify({ before, between, byText, byIds }))

for (let i = 0; i < 8; i++) model.generate(text, { maxTokens: 1 }).then(null, () => {})
setTimeout(() => {
  process.on('exit', () => console.log(`exit ${Date.now()}`))
  process.exit(0)
}, 100)
