import { spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { type DownloadRequest, download } from '../../src/models/download/download.ts'
import { PartFile } from '../../src/models/download/part-file.ts'
import { fileBytes, HostileServer, md5 } from '../support/hostile-server.ts'
import { until } from '../support/until.ts'

const bytes = fileBytes(3, 2_000_000)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const patience = { stallMs: 20_000, retryMs: 2, attempts: 4, staleMs: 2000 }

let server: HostileServer
let folder: string
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.close())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-places-'))
  server.requests.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const hosted = () => server.host('file', { bytes, faults: [] })
const requestOf = (url: string, options: Partial<DownloadRequest> = {}): DownloadRequest => ({
  url,
  target: join(folder, 'model.gguf'),
  size: undefined,
  checksum: { algorithm: 'md5', digest: md5(bytes) },
  signal: new AbortController().signal,
  onProgress: undefined,
  logger: silent,
  patience,
  ...options,
})

const script = join(import.meta.dirname, '..', 'lifecycle', 'children', 'download.mjs')
/** A process that downloads to the target and hangs there, holding the lock. */
async function holder() {
  const url = server.host('stalling', { bytes, faults: ['stall'] })
  const options = JSON.stringify({ url, modelPath: folder, md5sum: md5(bytes) })
  const child = spawn(process.execPath, [script, 'model', options], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const told = new Promise((resolve) => child.once('message', resolve))
  const part = join(folder, 'model.gguf.part')
  await until(() => expect(readFileSync(part).length).toBeGreaterThan(0))
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill(signal)
    return ended
  }
  return { url, kill, told, pid: child.pid!, have: () => readFileSync(part).length }
}

describe('the lock of a download', () => {
  test('of a process that was killed is taken over, and its part is continued', async () => {
    const other = await holder()
    await other.kill()
    expect(existsSync(join(folder, 'model.gguf.lock'))).toBe(true)
    const have = other.have()
    await download(requestOf(other.url))
    expect(readFileSync(join(folder, 'model.gguf')).equals(bytes)).toBe(true)
    expect(server.requests.at(-1)?.range).toBe(`bytes=${have}-`)
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })

  test.skipIf(process.platform === 'win32')('is removed by a process that a signal ends', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const other = await holder()
      expect(existsSync(join(folder, 'model.gguf.lock'))).toBe(true)
      await other.kill(signal)
      expect(readdirSync(folder).sort()).toEqual(['model.gguf.part', 'model.gguf.part.json'])
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
      server.requests.length = 0
    }
  })

  test.skipIf(process.platform === 'win32')(
    'of a process that was stopped is taken over, and that process does no harm when it continues',
    async () => {
      const other = await holder()
      process.kill(other.pid, 'SIGSTOP')
      await download(requestOf(hosted()))
      process.kill(other.pid, 'SIGCONT')
      expect(await other.told).toMatchObject({ code: 'ERR_DOWNLOAD' })
      expect(readFileSync(join(folder, 'model.gguf')).equals(bytes)).toBe(true)
      expect(readdirSync(folder)).toEqual(['model.gguf'])
    },
  )

  test('of a process that was stopped within a write is taken over, and the write repeats what is there', async () => {
    const target = join(folder, 'model.gguf')
    const [first, second] = [Buffer.from('first, '), Buffer.from('second')]
    const stopped = await PartFile.open(target, undefined)
    await stopped.append([first])
    const other = await PartFile.open(target, undefined)
    await other.resume({ signal: new AbortController().signal, onProgress: undefined })
    await other.append([second])
    await other.rename(target)
    await stopped.append([second]) // begun before, and so without another look at the file
    await stopped.close()
    expect(readFileSync(target, 'utf8')).toBe('first, second')
  })

  test('that is dated in the future is taken over once it has not been renewed for the time limit', async () => {
    const lock = join(folder, 'model.gguf.lock')
    mkdirSync(lock)
    const date = new Date(Date.now() + 365 * 86_400_000)
    utimesSync(lock, date, date)
    await download(requestOf(hosted()))
    expect(readFileSync(join(folder, 'model.gguf')).equals(bytes)).toBe(true)
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })

  test('that is renewed is waited for, whatever its date', async () => {
    const lock = join(folder, 'model.gguf.lock')
    mkdirSync(lock)
    let renewed = 0
    const holder = setInterval(() => {
      if (++renewed === 6) rmSync(lock, { recursive: true })
      if (renewed > 5) return
      const date = new Date(Date.now() + 3_600_000 + renewed)
      utimesSync(lock, date, date)
      expect(server.requests).toEqual([])
    }, patience.staleMs / 3)
    await download(requestOf(hosted())).finally(() => clearInterval(holder))
    expect(renewed).toBeGreaterThanOrEqual(6)
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })

  test.each([
    ['a file', (path: string) => writeFileSync(path, '')],
    ['a folder with something in it', (path: string) => mkdirSync(join(path, 'below'), { recursive: true })],
  ])('that is %s instead is a typed error which names it', async (_, place) => {
    const lock = join(folder, 'model.gguf.lock')
    place(lock)
    utimesSync(lock, 0, 0)
    await expect(download(requestOf(hosted()))).rejects.toMatchObject({
      name: 'DownloadError',
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining(lock) as unknown,
    })
    expect(server.requests).toEqual([])
  })

  test('of another process is waited for, until an abort', async () => {
    const other = await holder()
    const controller = new AbortController()
    const waiting = download(requestOf(hosted(), { signal: controller.signal }))
    controller.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    expect(server.requests.map(({ path }) => path)).toEqual(['/stalling'])
    await other.kill()
  })
})

describe('the part file of an earlier download', () => {
  const left = (content: Uint8Array, note: object | string) => {
    writeFileSync(join(folder, 'model.gguf.part'), content)
    const text = typeof note === 'string' ? note : JSON.stringify(note)
    writeFileSync(join(folder, 'model.gguf.part.json'), text)
  }
  const digest = md5(bytes)

  test('is continued from another mirror if the checksum is the same', async () => {
    left(bytes.subarray(0, 1_000_000), { url: 'http://127.0.0.1:1/gone', etag: '"x"', digest })
    await download(requestOf(hosted()))
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=1000000-'])
  })

  test('is read again before it is trusted, and deleted if it does not belong to the file', async () => {
    const wrong = Buffer.from(bytes.subarray(0, 1_000_000))
    wrong[7] = wrong[7]! ^ 1
    left(wrong, { url: hosted(), digest })
    await download(requestOf(hosted()))
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=1000000-', undefined])
    expect(readFileSync(join(folder, 'model.gguf')).equals(bytes)).toBe(true)
  })

  test.each([
    ['is longer than the file', Buffer.concat([bytes, bytes]), { size: bytes.length, digest }],
    ['has another checksum', bytes.subarray(0, 1000), { digest: md5(Buffer.from('else')) }],
    ['has a note that is cut short', bytes.subarray(0, 1000), '{"url'],
  ])('is not used if it %s', async (_, content, note) => {
    left(content, note)
    await download(requestOf(hosted()))
    expect(server.requests.map(({ range }) => range)).toEqual([undefined])
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })

  test('is not read if it is longer than the file, however long it is', async () => {
    left(bytes, { url: hosted(), digest })
    truncateSync(join(folder, 'model.gguf.part'), 2 ** 40)
    await download(requestOf(hosted(), { size: bytes.length }))
    expect(server.requests.map(({ range }) => range)).toEqual([undefined])
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })

  const half = { url: '', etag: '"x"', size: 1_000_000 }
  test.each<[string, (note: string) => void]>([
    ['has another name', (note) => linkSync(note, join(folder, 'other'))],
    ...(process.platform === 'win32'
      ? []
      : [
          [
            'is a link',
            (note) => {
              renameSync(note, join(folder, 'other'))
              symlinkSync('other', note)
            },
          ] satisfies [string, (note: string) => void],
        ]),
    ...(process.geteuid?.() === 0
      ? [
          ['is somebody else’s', (note) => chownSync(note, 65534, 65534)] satisfies [
            string,
            (note: string) => void,
          ],
        ]
      : []),
    ['tells no length that a file has', (note) => writeFileSync(note, JSON.stringify({ ...half, size: -1 }))],
    [
      'has far too much in it',
      (note) => writeFileSync(note, JSON.stringify({ ...half, more: Array(20).fill('') })),
    ],
  ])('is not believed to be whole because of a note that %s', async (_, change) => {
    left(bytes.subarray(0, half.size), { ...half, url: hosted() })
    change(join(folder, 'model.gguf.part.json'))
    await download(requestOf(hosted(), { checksum: undefined }))
    expect(server.requests.map(({ range }) => range)).toEqual([undefined])
    expect(readFileSync(join(folder, 'model.gguf')).equals(bytes)).toBe(true)
  })

  test('is used as it is if it is whole', async () => {
    left(bytes, { url: hosted(), size: bytes.length, digest })
    await download(requestOf(hosted()))
    expect(server.requests).toEqual([])
    expect(readdirSync(folder)).toEqual(['model.gguf'])
  })
})

describe('a download to a place where nothing can be written', () => {
  const failure = (modelPath: string, name = 'model') =>
    GPT4All.downloadModel(name, { url: hosted(), modelPath }).then(
      () => Promise.reject(new Error('no failure')),
      (error: Error) => ({
        name: error.name,
        code: (error as { code?: string }).code,
        message: error.message,
      }),
    )
  const wanted = (why: string) => ({
    name: 'DownloadError',
    code: 'ERR_DOWNLOAD',
    message: expect.stringContaining(why) as unknown,
  })

  test('is a typed error: a file instead of a folder, a folder instead of a file', async () => {
    writeFileSync(join(folder, 'file'), '')
    expect(await failure(join(folder, 'file'))).toEqual(wanted('its folder is a file (EEXIST)'))
    expect(await failure(join(folder, 'file', 'below'))).toEqual(wanted('its folder is a file (ENOTDIR)'))
    mkdirSync(join(folder, 'blocked.gguf.part'))
    expect(await failure(folder, 'blocked')).toEqual(wanted('a folder has that name (EISDIR)'))
    expect(await failure(join(folder, 'n'.repeat(300)))).toEqual(
      wanted('the name is too long (ENAMETOOLONG)'),
    )
    mkdirSync(join(folder, 'folder.gguf'))
    expect(await failure(folder, 'folder')).toMatchObject({
      name: 'ModelError',
      code: 'ERR_MODEL_UNREADABLE',
    })
    expect(readdirSync(folder).sort()).toEqual(['blocked.gguf.part', 'file', 'folder.gguf'])
    expect(server.requests).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')(
    'is a typed error: a file system without such files',
    async () => {
      expect(await failure('/proc/nothing/here')).toEqual(wanted('its folder cannot be made (ENOENT)'))
    },
  )

  test.skipIf(process.platform === 'win32')('is a typed error: a read-only folder', async () => {
    const isRoot = process.geteuid?.() === 0 // who may do everything
    chmodSync(folder, 0o555)
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(await failure(folder)).toEqual(wanted('there is no permission to write there (EACCES)'))
    } finally {
      if (isRoot) process.seteuid?.(0)
      chmodSync(folder, 0o755)
    }
  })

  test.skipIf(process.platform === 'win32')(
    'is a typed error: a process with a limit on the size of files',
    async () => {
      const options = JSON.stringify({ url: hosted(), modelPath: folder, md5sum: md5(bytes) })
      const command = 'ulimit -f 1000; exec "$0" "$@"' // half a megabyte
      const args = ['-c', command, process.execPath, script, 'model', options]
      const child = spawn('sh', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      const told: unknown[] = []
      child.on('message', (message) => told.push(message))
      const ended = await new Promise((resolve) => child.once('close', (...how) => resolve(how)))
      expect(ended).toEqual([0, null])
      expect(told).toMatchObject([{ code: 'ERR_DISK_SPACE' }])
    },
  )

  test('does not hide what onProgress throws', async () => {
    const error = Object.assign(new Error('mine'), { code: 'EACCES' })
    const onProgress = () => {
      throw error
    }
    const options = { url: hosted(), modelPath: folder, onProgress }
    await expect(GPT4All.downloadModel('model', options)).rejects.toBe(error)
    expect(existsSync(join(folder, 'model.gguf'))).toBe(false)
    expect(existsSync(join(folder, 'model.gguf.lock'))).toBe(false)
  })
})
