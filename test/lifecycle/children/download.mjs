// node download.mjs NAME OPTIONS: downloads a model, and tells where it lies, or what was wrong, and what was logged.
import { inspect } from 'node:util'
import { GPT4All } from 'gpt4all-ts'

const [name, options] = process.argv.slice(2)
const lines = []
const log = (line) => lines.push(line)
const logger = { debug: log, info: log, warn: log, error: log }
try {
  const path = await GPT4All.downloadModel(name, { ...JSON.parse(options), logger })
  process.send({ path, lines })
} catch (error) {
  const { code, message, status } = error
  process.send({ code, message, status, lines, inspected: inspect(error, { depth: 10, showHidden: true }) })
}
process.disconnect()
