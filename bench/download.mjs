// `npm run bench:download`: downloadModel() with a checksum against `curl` and then `md5sum`, from a server on the
// loopback that is a process of its own.
//
//   npm run bench:download                    1 GiB, 9 pairs
//   npm run bench:download -- --pairs 5 --size 256       MiB
//   npm run bench:download -- --folder DIR    where both write; default: the system's temporary folder
//   npm run bench:download -- --strict        exit code 1 where a bar is missed
import { execFile, spawn } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { inRoot } from '../scripts/paths.mjs'
import { setUp } from '../scripts/setup.mjs'
import { main, step } from '../scripts/steps.mjs'
import { interleave } from './pairs.mjs'
import { ours } from './programs.mjs'
import { judge, table } from './report.mjs'
import { median } from './stats.mjs'

const execute = promisify(execFile)
const MB = 2 ** 20
const BLOCK = Buffer.alloc(MB)
const OPTIONS = {
  pairs: { type: 'string', default: '9' },
  size: { type: 'string', default: '1024' },
  folder: { type: 'string', default: tmpdir() },
  strict: { type: 'boolean', default: false },
}

main(import.meta.url, async () => {
  const { values } = parseArgs({ options: OPTIONS })
  await setUp()
  const folder = mkdtempSync(join(values.folder, 'gpt4all-bench-'))
  let server
  try {
    const file = join(folder, 'served')
    const md5sum = makeFile(file, Number(values.size))
    server = await serve(file)
    const results = await measure({ url: server.url, md5sum, folder, pairs: Number(values.pairs) })
    process.stdout.write(`${head()}\n\n${table(results)}\n`)
    if (values.strict && results.some((row) => !judge(row, row.values).passes)) process.exitCode = 1
  } finally {
    server?.stop()
    rmSync(folder, { recursive: true })
  }
})

async function measure({ url, md5sum, folder, pairs }) {
  const modelPath = join(folder, 'ours')
  const target = join(folder, 'theirs')
  // What one side leaves to be written to the disk must not be paid for by the other.
  const settle = async () => {
    rmSync(modelPath, { recursive: true, force: true })
    rmSync(target, { force: true })
    await execute('sync')
  }
  let measured
  await step('download', async (report) => {
    measured = await interleave(
      pairs,
      async () => {
        await settle()
        return ours('download', { url, modelPath, md5sum })
      },
      async () => {
        await settle()
        return { ms: await curlAndSum(url, target, md5sum) }
      },
      (_, i) => report(`pair ${i + 1} of ${pairs}`, (i + 1) / pairs),
    )
    await settle()
  })
  const seconds = (side) => (median(measured.map((pair) => pair[side].ms)) / 1000).toFixed(2)
  return [
    {
      title: 'speed of downloadModel() with MD5 / of curl, then md5sum',
      note: `${seconds('ours')} s against ${seconds('theirs')} s`,
      bar: { atLeast: 0.9 },
      values: measured.map((pair) => pair.theirs.ms / pair.ours.ms),
    },
    {
      title: 'growth of RSS while downloading',
      unit: 'MiB',
      bar: { atMost: 64, worst: true },
      values: measured.map((pair) => pair.ours.growth / MB),
    },
  ]
}

async function curlAndSum(url, target, md5sum) {
  const started = performance.now()
  await execute('curl', ['--silent', '--fail', '--output', target, url])
  const { stdout } = await execute('md5sum', [target])
  const ms = performance.now() - started
  if (!stdout.startsWith(md5sum)) throw new Error('curl brought another file')
  return ms
}

/** Random bytes: what compresses or is sparse could be faster for one side. Returns their MD5. */
function makeFile(file, megabytes) {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const hash = createHash('md5')
  const descriptor = openSync(file, 'w')
  for (let i = 0; i < megabytes; i++) {
    const block = stream.update(BLOCK)
    hash.update(block)
    writeSync(descriptor, block)
  }
  closeSync(descriptor)
  return hash.digest('hex')
}

async function serve(file) {
  const server = spawn(process.execPath, [inRoot('bench', 'file-server.mjs'), file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = await once(server.stdout, 'data')
  return { url: String(line).trim(), stop: () => server.stdin.end() }
}

function head() {
  const cpu = cpus()[0]?.model ?? 'unknown CPU'
  return `${cpu}, ${availableParallelism()} cores, Node.js ${process.versions.node}; load average ${loadavg()[0].toFixed(2)}.`
}
