// gpt4all 2.8.2 of PyPI, in a virtual environment of the bench's own: see answer.mjs, and gpt4all_python.py for what it does.
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withLock } from '../../scripts/lock.mjs'
import { cacheDir, inRoot } from '../../scripts/paths.mjs'
import { answer } from './answer.mjs'

const PACKAGE = 'gpt4all==2.8.2'
const execute = promisify(execFile)
const environment = join(cacheDir, 'bench-python')
const python = join(
  environment,
  ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
)
const installed = join(environment, PACKAGE)

const run = (job) => async (options) => {
  await withLock(install, environment)
  const script = inRoot('bench', 'peers', 'gpt4all_python.py')
  const { stdout } = await execute(python, [script, job, JSON.stringify(options)])
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

await answer({ about: run('about'), speed: run('speed') })

async function install() {
  if (existsSync(installed)) return
  await execute('python3', ['-m', 'venv', environment])
  await execute(python, ['-m', 'pip', 'install', '--quiet', PACKAGE])
  writeFileSync(installed, '')
}
