// One process, one model: brings it to a stage, then ends in the way asked for.
//   node one.mjs <stage> <ending>
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..')
const { GPT4All } = await import(join(root, 'dist', 'index.js'))
const [stage, ending] = process.argv.slice(2)

const OPTIONS = { nThreads: 1, nCtx: 2048 }
const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: Number.POSITIVE_INFINITY, stop: ['\u0000'] }
const model = new GPT4All(join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf'), OPTIONS)
const say = (what) => process.send?.(what)

const ENDINGS = {
  exit0: () => process.exit(0),
  exit7: () => process.exit(7),
  throw: () => {
    throw new Error('thrown by the test')
  },
  reject: () => void Promise.reject(new Error('rejected by the test')),
  close: async () => {
    await model.close()
    say('closed')
  },
  nothing: () => {},
  // Some test runners and process managers say it without meaning it.
  emitExit: async () => {
    process.emit('exit', 0)
    await note(model.generate('Once', GREEDY).result)
    await model.close()
    say('closed')
  },
  signal: () => say('ready'), // the parent sends it
}
// Outside of whatever promise led here, as an event of the program would.
const end = () => setImmediate(ENDINGS[ending])
const note = (promise) =>
  promise.then(
    () => say('answered'),
    (error) => say(error.code ?? error.message),
  )

const STAGES = {
  loading: () => {
    note(model.open())
    end()
  },
  prefill: async () => {
    await model.open()
    note(model.generate('a fish and a dog. '.repeat(200), { ...GREEDY, maxTokens: 1 }).result)
    end()
  },
  streaming: async () => {
    let count = 0
    const read = async () => {
      for await (const _ of model.generate('Once upon a time', GREEDY)) if (++count === 5) end()
    }
    note(read())
  },
  idle: async () => {
    await model.open()
    await model.generate('Once', { ...GREEDY, maxTokens: 2 })
    end()
  },
}
await STAGES[stage]()
