// gpt4all 2.8.2 of PyPI, in a virtual environment of the bench's own: see answer.mjs, and gpt4all_python.py for what it does.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inRoot } from '../../scripts/paths.mjs'
import { pythonOf } from '../python.mjs'
import { answer } from './answer.mjs'

const execute = promisify(execFile)

const run = (job) => async (options) => {
  const script = inRoot('bench', 'peers', 'gpt4all_python.py')
  const { stdout } = await execute(await pythonOf('bench-python'), [script, job, JSON.stringify(options)])
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

await answer({ about: run('about'), speed: run('speed') })
