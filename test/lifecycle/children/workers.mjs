// Worker threads with a model each: node workers.mjs <what>
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const root = join(import.meta.dirname, '..', '..', '..')
const { GPT4All } = await import(join(root, 'dist', 'index.js'))
const open = () => GPT4All.load(join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf'), { nThreads: 1 })
const ask = (model) => model.generate('The capital of France is', { temp: 0, repeatPenalty: 1, maxTokens: 3 })
const endless = { temp: 0, repeatPenalty: 1, maxTokens: Number.POSITIVE_INFINITY }

const WORK = {
  answer: async () => {
    const model = await open()
    parentPort.postMessage(await ask(model))
    await model.close()
  },
  stream: async () => {
    const model = await open()
    for (;;)
      for await (const piece of model.generate('Once upon a time', endless)) parentPort.postMessage(piece)
  },
  share: async () => {
    const model = await open()
    parentPort.postMessage(model.sharesWeights)
    for (;;) await model.generate('Once upon a time', endless)
  },
  loadMany: async () => {
    parentPort.postMessage('loading')
    for (;;) {
      const models = await Promise.all([open(), open(), open()])
      await Promise.all(models.map((one) => one.close()))
    }
  },
  load: async () => {
    parentPort.postMessage('loading')
    for (;;) await (await open()).close()
  },
  tokenize: async () => {
    const model = await open()
    parentPort.postMessage('tokenizing')
    for (;;) await Promise.all([1, 2, 3].map(() => model.tokenize('a dog and a fish. '.repeat(2000))))
  },
  fail: async () => {
    const model = await open()
    parentPort.postMessage('failing')
    for (;;) await Promise.allSettled([1, 2, 3].map(() => model.generate('word '.repeat(5000))))
  },
  render: async () => {
    const model = await open()
    const chatTemplate = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
    parentPort.postMessage('rendering')
    for (;;) await model.renderPrompt([{ role: 'user', content: 'Hi' }], { chatTemplate }).catch(() => {})
  },
  // Files that are not known yet, so that a child opens each first.
  tryFiles: async () => {
    const model = readFileSync(join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf'))
    const folder = mkdtempSync(join(tmpdir(), 'gpt4all-tried-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    for (let i = 0; ; i++) {
      const path = join(folder, `${i}.gguf`)
      model.writeUInt8(i % 256, model.length - 1)
      writeFileSync(path, model)
      await (await GPT4All.load(path, { nThreads: 1 })).close()
    }
  },
  isolated: async () => {
    for (;;) {
      const model = await GPT4All.load(join(root, 'models', 'gpt4all-ts-tiny-chat.Q8_0.gguf'), {
        nThreads: 1,
        isolated: true,
      })
      await ask(model)
      await model.close()
    }
  },
  exit: async () => {
    const model = await open()
    for await (const _ of model.generate('Once upon a time', endless)) process.exit(3)
  },
  throw: async () => {
    const model = await open()
    for await (const _ of model.generate('Once upon a time', endless)) throw new Error('thrown by the test')
  },
}

/** Of this process, those that nobody has waited for included (Linux). */
const children = () =>
  readdirSync('/proc/self/task').flatMap((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
    } catch {
      return [] // the thread has ended meanwhile
    }
  })

const worker = (what) => new Worker(new URL(import.meta.url), { workerData: what })

async function terminated(what, rounds) {
  for (let round = 0; round < rounds; round++) {
    const one = worker(what)
    await once(one, 'message')
    for (let i = 0; i < round; i++) await new Promise((resolve) => setImmediate(resolve))
    await one.terminate()
  }
}

const MAIN = {
  terminate: async (what, rounds) => {
    await terminated(what, Number(rounds))
    const model = await open()
    process.send(await ask(model))
    await model.close()
  },
  beside: async (what, rounds) => {
    const model = await open()
    const all = terminated(what, Number(rounds))
    const texts = new Set()
    for (let i = 0; i < 5; i++) texts.add(await ask(model))
    await all
    process.send([...texts].join('|'))
    await model.close()
  },
  // The weights of the main thread in a worker, then those of a worker in the main thread.
  share: async () => {
    const first = await open()
    const one = worker('share')
    const [inWorker] = await once(one, 'message')
    await first.close()
    const second = await open()
    await one.terminate()
    process.send({
      first: first.sharesWeights,
      inWorker,
      second: second.sharesWeights,
      says: await ask(second),
    })
    await second.close()
    const third = await open()
    process.send(third.sharesWeights)
    await third.close()
  },
  // The main thread leaves while it and workers wait for one another's loads.
  leaveLoading: async () => {
    const both = [worker('loadMany'), worker('loadMany')]
    await Promise.all(both.map((one) => once(one, 'message')))
    for (let i = 0; i < 3; i++) open().catch(() => {})
    setImmediate(() => process.exit(5))
  },
  // Workers end while a child of theirs does something, each a little later.
  children: async (what, rounds) => {
    for (let round = 0; round < rounds; round++) {
      const one = worker(what)
      while (children().length === 0) await new Promise((resolve) => setImmediate(resolve))
      for (let turn = 0; turn < round * 1000; turn++) await new Promise((resolve) => setImmediate(resolve))
      await one.terminate()
    }
    process.send({ rounds: Number(rounds), left: children().length })
  },
  three: async () => {
    const texts = await Promise.all([1, 2, 3].map(async () => (await once(worker('answer'), 'message'))[0]))
    process.send(texts.join('|'))
  },
  ends: async (what) => {
    const one = worker(what)
    one.on('error', () => {})
    process.send(await new Promise((resolve) => one.once('exit', resolve)))
  },
  // The main thread leaves while workers generate.
  leave: async () => {
    const both = [worker('stream'), worker('stream')]
    await Promise.all(both.map((one) => once(one, 'message')))
    process.exit(5)
  },
}

if (isMainThread) await MAIN[process.argv[2]](...process.argv.slice(3))
else await WORK[workerData]()
