// The libraries that our Embed4All is measured against, each with the settings among which its best are found.
import { buildLlamaTools, llamaToolsRoom } from '../../scripts/llama-tools.mjs'
import { withLock } from '../../scripts/lock.mjs'

const PYTHON = 'bench-embed-python'

const batches = (...sizes) => sizes.map((batch) => ({ batch }))
/** Each of `settings` with one batch at a time on all threads, and with one on each thread. */
const shared = (threads, settings) =>
  [...new Set([1, threads])].flatMap((workers) => settings.map((setting) => ({ ...setting, workers })))
const workersOf = (threads, { workers }) =>
  workers === 1 ? `${threads} threads` : `${workers} workers of ${threads / workers} thread`

export const OURS = { name: 'ours', script: 'ours.mjs' }

export const LIBRARIES = [
  {
    name: 'onnxruntime (Python, as fastembed)',
    script: 'onnx_python.py',
    python: PYTHON,
    settingsOf: (threads) => shared(threads, batches(1, 4, 8)),
    tell: (threads, setting) => `${workersOf(threads, setting)}, batches of ${setting.batch}`,
  },
  {
    name: 'sentence-transformers',
    script: 'torch_python.py',
    python: PYTHON,
    settingsOf: (threads) => shared(threads, batches(16, 32)),
    tell: (threads, setting) => `${workersOf(threads, setting)}, batches of ${setting.batch}`,
  },
  {
    name: 'transformers.js',
    script: 'transformers-js.mjs',
    settingsOf: (threads) => shared(threads, batches(1, 4, 8)),
    tell: (threads, setting) => `${workersOf(threads, setting)}, batches of ${setting.batch}`,
  },
  {
    name: 'node-llama-cpp',
    script: 'node-llama-cpp.mjs',
    settingsOf: (threads) => shared(threads, [{}]),
    tell: (threads, setting) =>
      setting.workers === 1
        ? `${threads} threads`
        : `${setting.workers} contexts of ${threads / setting.workers} thread`,
  },
  {
    name: 'gpt4all (Python)',
    script: 'gpt4all_python.py',
    python: 'bench-python',
    settingsOf: () => batches(512, 2048),
    tell: (threads, { batch }) => `${threads} threads, nCtx ${batch}`,
  },
  {
    name: 'llama-embedding',
    script: 'llama-embedding.mjs',
    cannot: ['long', 'one'],
    settingsOf: () => [
      ...batches(128, 256, 512).map((setting) => ({ ...setting, flash: true })),
      { batch: 128, flash: false },
    ],
    prepare: async () => {
      const tools = await llamaToolsRoom('embedding')
      await withLock(() => buildLlamaTools(tools), tools.folder)
      return { program: tools.embedding }
    },
    tell: (threads, { batch, flash }) =>
      `${threads} threads, batches of ${batch} tokens, flash attention ${flash ? 'on' : 'off'}`,
  },
]
