// Renders what is asked, a line of JSON each, and tells what came of it: the text or the code, how long it took, and how long the event
// loop was held meanwhile. `abortAfter` asks for an answer instead, and gives up.
import { createInterface } from 'node:readline'
import { GPT4All } from '../../dist/index.js'

const model = await GPT4All.load(process.argv[2], { nThreads: 1 })
let last = performance.now()
let held = 0
setInterval(() => {
  held = Math.max(held, performance.now() - last)
  last = performance.now()
}, 2).unref()
const turn = () => new Promise((resolve) => setTimeout(resolve, 4))

async function outcome(work) {
  await turn()
  held = 0
  last = performance.now()
  const since = performance.now()
  let came
  try {
    came = { text: await work() }
  } catch (error) {
    came = { code: error.code ?? `${error}`, message: error.message }
  }
  const ms = performance.now() - since
  await turn()
  return { ...came, ms, held }
}

async function given({ chatTemplate, messages, abortAfter }) {
  const session = model.chatSession({ chatTemplate, messages: messages.slice(0, -1) })
  const controller = new AbortController()
  let aborted
  setTimeout(() => {
    aborted = performance.now()
    controller.abort('enough')
  }, abortAfter)
  const came = await outcome(() =>
    session.generate(messages.at(-1).content, { maxTokens: 1, signal: controller.signal }).then(),
  )
  const late = aborted === undefined ? 0 : performance.now() - aborted
  await session.close?.()
  return { ...came, late }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  const { chatTemplate, messages } = asked
  const came =
    asked.abortAfter === undefined
      ? await outcome(() => model.renderPrompt(messages, { chatTemplate }))
      : await given(asked)
  process.stdout.write(`${JSON.stringify(came)}\n`)
}
await model.close()
