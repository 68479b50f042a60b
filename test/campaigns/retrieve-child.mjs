// Finds a model, and converts it where it is old: `node retrieve-child.mjs FILE`. Says how that ended, and by how much
// the process grew.
import { GPT4All } from 'gpt4all-ts'

const before = process.memoryUsage.rss()
const outcome = await GPT4All.retrieveModel(process.argv[2]).then(
  () => 'done',
  (error) => error.code ?? String(error),
)
const grewBytes = process.resourceUsage().maxRSS * 1024 - before
process.stdout.write(JSON.stringify({ outcome, grewBytes }))
