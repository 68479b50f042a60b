// Python libraries that are measured: each set in a virtual environment of its own in the cache, installed once.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withLock } from '../scripts/lock.mjs'
import { cacheDir } from '../scripts/paths.mjs'

const execute = promisify(execFile)
const PROGRAM = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']

const SETS = {
  'bench-python': ['gpt4all==2.8.2'],
  'bench-embed-python': [
    ...['torch==2.13.0', 'transformers==5.24.0', 'sentence-transformers==6.2.0'],
    ...['onnx==1.23.2', 'onnxruntime==1.32.0', 'tokenizers==0.23.3'],
  ],
}

/** The Python program of a set, after installing what is missing. */
export async function pythonOf(set) {
  const folder = join(cacheDir, set)
  const python = join(folder, ...PROGRAM)
  const installed = join(folder, 'installed.txt')
  const packages = SETS[set]
  mkdirSync(folder, { recursive: true })
  await withLock(async () => {
    if (existsSync(installed) && readFileSync(installed, 'utf8') === packages.join('\n')) return
    await execute('python3', ['-m', 'venv', folder])
    await execute(python, ['-m', 'pip', 'install', '--quiet', ...packages])
    writeFileSync(installed, packages.join('\n'))
  }, folder)
  return python
}
