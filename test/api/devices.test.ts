import { describe, expect, test } from 'vitest'
import {
  DeviceError,
  GPT4All,
  type Logger,
  type ModelOptions,
  OutOfMemoryError,
  type Progress,
} from '../../src/index.ts'
import type { Device } from '../../src/loading/devices.ts'
import { checkModelFile } from '../../src/loading/open.ts'
import { loadBinding } from '../../src/native/binding.ts'
import { resolveModelOptions } from '../../src/options/model.ts'
import { openOnFirstDevice, startOn } from '../../src/runtime/open-local.ts'
import { startScheduler } from '../../src/runtime/start-scheduler.ts'
import { EMBEDDED } from '../support/models.ts'

const gpus = GPT4All.listGpus()
const PROMPT = 'The capital of France is'
const GREEDY = { temp: 0, repeatPenalty: 1, maxTokens: 24 }

/** The error a promise rejects with. */
const failure = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.unreachable('it succeeded'),
    (error: unknown) => error as Error & { code: string },
  )

function recorder(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const at = (level: string) => (line: string) => void lines.push(`${level}: ${line}`)
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

async function answer(options: ModelOptions): Promise<{ text: string; model: GPT4All }> {
  const model = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
  return { text: await model.generate(PROMPT, GREEDY), model }
}

describe('the devices of a machine', () => {
  test('are listed, the CPU among them', () => {
    const devices = GPT4All.listDevices()
    const cpu = devices.find(({ type }) => type === 'cpu')
    expect(cpu).toMatchObject({ name: 'CPU', backend: 'cpu', description: expect.any(String) })
    expect(cpu!.memoryTotal).toBeGreaterThan(0)
    for (const { memoryFree, memoryTotal } of devices) expect(memoryFree).toBeLessThanOrEqual(memoryTotal)
  })

  test('listGpus() names the GPUs among them', () => {
    const named = GPT4All.listDevices()
      .filter(({ type }) => type === 'gpu' || type === 'igpu')
      .map(({ backend, description }) => `${backend}:${description}`)
    expect(gpus).toEqual(named)
  })
})

describe('the CPU', () => {
  const cpu = GPT4All.listDevices().find(({ type }) => type === 'cpu')!
  test.each<[string, string | string[]]>([
    ['no device at all, as listGpus() may tell', []],
    ['its description', cpu.description],
    ['its name', cpu.name],
    ['its name between spaces', ' cpu '],
  ])('is selected by %s', async (_, device) => {
    const { text, model } = await answer({ device })
    expect(text).toContain('Paris')
    expect([model.backend, model.fallbacks]).toEqual(['cpu', []])
    await model.close()
  })

  test('is not used for an empty list of devices with strictDevice', async () => {
    const error = await failure(GPT4All.load(EMBEDDED, { device: [], strictDevice: true }))
    expect(error.code).toBe('ERR_DEVICE')
    expect(error.message).toContain('an empty list of devices')
  })
})

describe.skipIf(gpus.length > 0)('without a GPU', () => {
  test.each<[string, string | string[], string[]]>([
    ['gpu', 'gpu', ['gpu']],
    ['cuda', 'cuda', ['cuda']],
    ['kompute', 'kompute', ['kompute']],
    ['amd', 'amd', ['amd']],
    ['a name', 'GeForce RTX 3060', ['GeForce RTX 3060']],
    ['a list', ['cuda', 'kompute', 'cpu'], ['cuda', 'kompute']],
    ['a list without the CPU', ['cuda', 'metal'], ['cuda', 'metal']],
    ['a list that begins with the CPU', ['cpu', 'cuda'], []],
    ['the CPU', 'cpu', []],
  ])('device: %s computes on the CPU, and reports why', async (_, device, asked) => {
    const { lines, logger } = recorder()
    const { text, model } = await answer({ device, logger })
    expect(text).toContain('Paris')
    expect([model.backend, model.device]).toEqual(['cpu', undefined])
    expect(model.fallbacks.map((fallback) => fallback.device)).toEqual(asked)
    for (const fallback of model.fallbacks) {
      expect(fallback.reason).toMatch(/build of the addon|found no GPU/)
      expect(lines).toContain(`warn: device "${fallback.device}" is not used: ${fallback.reason}`)
    }
    await model.close()
    expect(model.fallbacks).toEqual([])
  })

  test.each([
    [{ device: 'cuda:0' }, true],
    [{ device: ['cuda:0', 'vulkan:0'], isolated: true }, true],
    [{ device: ['cuda:0', 'cpu'] }, false],
    [{ device: 'cpu' }, false],
    [{ device: 'cuda:0', logger: { debug() {}, info() {}, warn() {}, error() {} } }, false],
  ])('opening with %o on a machine without a GPU warns on stderr: %j', async (options, warns) => {
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    const opened = await GPT4All.load(EMBEDDED, { nThreads: 1, ...options })
    await opened.close()
    await new Promise(setImmediate)
    process.off('warning', note)
    const expected = { code: 'GPT4ALL_CPU', message: expect.stringContaining('"cuda:0" is not used: ') }
    expect(warnings).toEqual(warns ? [expect.objectContaining(expected)] : [])
  })

  test('the reason for a device of a missing backend names that backend', async () => {
    const { model } = await answer({ device: 'cuda:0' })
    expect(model.fallbacks).toEqual([{ device: 'cuda:0', reason: expect.stringMatching(/cuda/i) }])
    await model.close()
  })

  test('strictDevice rejects before anything is loaded or downloaded', async () => {
    const told: Progress[] = []
    const onProgress = (progress: Progress) => told.push(progress)
    const error = await failure(
      GPT4All.load(EMBEDDED, { device: ['cuda', 'gpu'], strictDevice: true, onProgress }),
    )
    expect(error).toBeInstanceOf(DeviceError)
    expect(error.code).toBe('ERR_DEVICE')
    expect((error as DeviceError).fallbacks.map(({ device }) => device)).toEqual(['cuda', 'gpu'])
    expect(error.message).toMatch(/npm run build:addon -- -DGGML_CUDA=ON|cuda found no GPU/)
    expect(error.message).toContain('CPU (')
    expect(told).toEqual([])
    const absent = failure(GPT4All.load('Not-There-1B.gguf', { device: 'cuda', strictDevice: true }))
    expect((await absent).code).toBe('ERR_DEVICE')
  })

  test('strictDevice accepts the CPU if it is requested', async () => {
    const { model } = await answer({ device: ['cuda', 'cpu'], strictDevice: true })
    expect(model.fallbacks).toMatchObject([{ device: 'cuda' }])
    await model.close()
  })

  test('the CPU is used by default, without a log line', async () => {
    const { lines, logger } = recorder()
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1, logger })
    const isDefaultGpu = process.platform === 'darwin' && process.arch === 'arm64'
    expect(model.fallbacks).toHaveLength(isDefaultGpu ? 1 : 0)
    if (!isDefaultGpu) expect(lines.filter((line) => line.startsWith('warn: '))).toEqual([])
    await model.close()
  })
})

const reason = gpus.length > 0 ? '' : ' (skipped: this machine has no GPU, or the addon was built for none)'
describe.skipIf(gpus.length === 0)(`with a GPU${reason}`, () => {
  test.each([['gpu'], ...gpus.map((name) => [name])])('device: %s computes there', async (device) => {
    const onGpu = await answer({ device, strictDevice: true })
    expect(onGpu.model.device).toBeTruthy()
    expect(onGpu.model.backend).not.toBe('cpu')
    expect(onGpu.model.fallbacks).toEqual([])
    expect(onGpu.text).toContain('Paris')
    await onGpu.model.close()
  })
})

// llama.cpp takes the CPU for a device to put layers on, so all that happens on a GPU happens without one as well.
describe('a device on which the model does not load', () => {
  const stand = (free: number): Device => ({
    name: 'CPU',
    description: 'stands for a GPU',
    backend: 'cuda',
    type: 'gpu',
    memoryFree: free,
    memoryTotal: free,
  })
  const binding = loadBinding()
  const first = { asked: 'cuda', gpus: [stand(2 ** 20)] }
  const cpu = { asked: 'cpu', gpus: [] }
  const open = async (candidates: (typeof first | typeof cpu)[], start: typeof startScheduler) => {
    const options = resolveModelOptions({ nThreads: 1, logger: recorder().logger })
    const { signal } = new AbortController()
    const file = await checkModelFile(binding, EMBEDDED, { embeds: false }, options, signal)
    return openOnFirstDevice(binding, file, candidates, options, signal, (weights) =>
      startOn(binding, weights, undefined, options, signal, start),
    )
  }
  const noRoom = () => Promise.reject(new OutOfMemoryError('failed to allocate buffer for kv cache'))
  const failingAtFirst = (): typeof startScheduler => {
    let attempts = 0
    return (...args) => (attempts++ === 0 ? noRoom() : startScheduler(...args))
  }

  test("is replaced by the next, with llama.cpp's reason and the free memory", async () => {
    const opened = await open([first, cpu], failingAtFirst())
    expect(opened.weights.gpus).toEqual([])
    expect(opened.fallbacks).toEqual([
      { device: 'cuda', reason: expect.stringContaining('stands for a GPU') },
    ])
    expect(opened.fallbacks[0]!.reason).toMatch(/alloc.*takes about \d+ MiB; 1 MiB are free there/s)
    await opened.scheduler.close()
    opened.weights.native.close()
  })

  test('may also be one that is listed later', async () => {
    const opened = await open([first, { ...first, asked: 'vulkan' }, cpu], failingAtFirst())
    expect(opened.fallbacks.map(({ device }) => device)).toEqual(['cuda'])
    expect(opened.weights.gpus.map(({ description }) => description)).toEqual(['stands for a GPU'])
    await opened.scheduler.close()
    opened.weights.native.close()
  })

  test('fails with ERR_DEVICE when it is the last, with the failure as its cause', async () => {
    const error = await failure(open([first], noRoom))
    expect(error.code).toBe('ERR_DEVICE')
    expect(error.cause).toMatchObject({ code: 'ERR_MEMORY' })
  })

  test('does not hide an error that has another cause', async () => {
    const stop = new Error('stop')
    const error = await failure(open([first, cpu], () => Promise.reject(stop)))
    expect(error).toBe(stop)
  })
})
