// Becomes a bundle, with the library inside: opens a model, and prints what became of it as JSON.
//   node bundled.cjs <file> <isolated: true or false>
import { GPT4All } from '../../../dist/index.js'

const [path, isolated] = process.argv.slice(2)
const heard = { trials: 0, warnings: [] }
const logger = {
  debug: (line) => {
    if (line.includes('is opened in a child process first')) heard.trials++
  },
  info: () => {},
  warn: (line) => heard.warnings.push(line),
  error: (line) => heard.warnings.push(line),
}
GPT4All.load(path, { nThreads: 1, nCtx: 64, logger, isolated: isolated === 'true' })
  .then(async (model) => {
    await model.generate('a', { maxTokens: 1 })
    await model.close()
  })
  .catch(({ code, message }) => Object.assign(heard, { code, message }))
  .then(() => console.log(JSON.stringify(heard)))
