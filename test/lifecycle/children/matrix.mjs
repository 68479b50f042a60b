// node matrix.mjs <inProcess|isolated> <stage> <event>: brings a model to a stage, lets the event happen, and tells what became of
// the calls that were under way, and of one that comes afterwards.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { GPT4All } from 'gpt4all-ts'

const [mode, stage, event] = process.argv.slice(2)
const EMBEDDED = fileURLToPath(new URL('../../../models/gpt4all-ts-tiny-chat.Q8_0.gguf', import.meta.url))
// Without its end tokens, <|im_end|> and <|endoftext|>, the model goes on.
const logitBias = { 2: Number.NEGATIVE_INFINITY, 0: Number.NEGATIVE_INFINITY }
const ENDLESS = { temp: 0, repeatPenalty: 1, maxTokens: Number.POSITIVE_INFINITY, logitBias }
const LONG = 'a fish and a dog. '.repeat(600) // 3,601 tokens
/** An `AbortError` has a number for a code. */
const nameOf = ({ code, name }) => (typeof code === 'string' ? code : name)
const QUESTION = ['The capital of France is', { maxTokens: 5, temp: 0 }]

if (isMainThread && event === 'terminate') {
  const worker = new Worker(new URL(import.meta.url), { argv: [mode, stage, event] })
  worker.on('message', async (message) => {
    process.send(message)
    if (!('ready' in message)) return
    await worker.terminate()
    process.disconnect()
  })
} else await scenario((message) => (isMainThread ? process.send?.(message) : parentPort.postMessage(message)))

async function scenario(say) {
  const ofModel = new AbortController()
  const ofCall = new AbortController()
  const ofFirst = new AbortController()
  const signal = ofCall.signal
  const model = new GPT4All(EMBEDDED, {
    nThreads: 1,
    nCtx: 4096,
    parallel: 1,
    isolated: mode === 'isolated',
    signal: ofModel.signal,
  })
  const pending = []
  const note = (call, promise) => {
    const settled = promise.then(
      () => say({ [call]: 'answered' }),
      (error) => say({ [call]: nameOf(error) }),
    )
    pending.push(settled)
  }
  const stream = (name, options) =>
    new Promise((resolve) => {
      const read = async () => {
        let count = 0
        for await (const _ of model.generate('Once upon a time', { ...ENDLESS, ...options }))
          if (++count === 3) resolve()
      }
      note(name, read())
    })
  const STAGES = {
    new: () => {},
    opening: () => note('opening', model.open()),
    idle: () => model.generate(...QUESTION),
    prefill: async () => {
      await model.open()
      note('prefill', model.generate(LONG, { maxTokens: 1, signal }).result)
    },
    streaming: () => stream('streaming', { signal }),
    queued: async () => {
      await stream('first', { signal: ofFirst.signal })
      for (let i = 0; i < 2; i++)
        note('queued', model.generate(QUESTION[0], { ...QUESTION[1], signal }).result)
      while (model.activity.queued < 2) await new Promise(setImmediate)
    },
    closed: async () => {
      await model.open()
      await model.close()
    },
  }
  const EVENTS = {
    close: () => model.close(),
    abort: () => {
      ofCall.abort()
      ofModel.abort()
    },
    exit: () => process.exit(7),
    killEngine: async () => {
      process.kill(model.engine.pid, 'SIGKILL')
      while (model.engine.state === 'running') await new Promise(setImmediate) // until it has been noticed
    },
    throw: () => {
      throw new Error('thrown by the test')
    },
    // Others do it: who started this process, or this worker thread.
    SIGTERM: () => {},
    SIGKILL: () => {},
    terminate: () => {},
  }
  await STAGES[stage]()
  if (mode === 'isolated' && stage === 'opening')
    while (model.engine?.pid === undefined) await new Promise(setImmediate)
  say({ ready: model.engine?.pid ?? null })
  // Outside of whatever promise led here, as an event of the program would. The engine's number is told by then.
  setImmediate(async () => {
    const done = EVENTS[event]()
    if (!['close', 'abort', 'killEngine'].includes(event)) return
    await done
    const [first, ...others] = pending
    await Promise.all(stage === 'queued' && event === 'abort' ? others : pending)
    ofFirst.abort() // what nobody has aborted goes on
    await first
    const after = model.generate(...QUESTION)
    say({
      after: await after.then(
        (text) => text.trim(),
        (error) => nameOf(error),
      ),
    })
  })
}
