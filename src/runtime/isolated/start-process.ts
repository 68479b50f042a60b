import { type ChildProcess, fork } from 'node:child_process'
import { isMainThread } from 'node:worker_threads'
import { GPT4AllError } from '../../core/errors.ts'
import { loadBinding } from '../../native/binding.ts'
import { environmentOf } from '../../native/child/environment.ts'
import { canStart, startWithThread } from '../../native/child/node.ts'
import { programFile } from '../../native/child/program-file.ts'
import type { NativeBinding } from '../../native/contract.ts'

/**
 * Starts the program of an engine's process.
 * @throws {GPT4AllError} `ERR_BINDING` if there is no program, or no Node.js to run it
 */
export function startProcess(cwd: string, env: Readonly<Record<string, string>>): ChildProcess {
  if (!canStart('engine')) {
    const message = `An isolated engine cannot be started: ${process.execPath} is not sure to be a Node.js that runs a file of ours (it may be a program with one inside). Open models without \`isolated\`.`
    throw new GPT4AllError('ERR_BINDING', message)
  }
  const file = programFile('engine-host')
  const options = {
    cwd,
    env: environmentOf('engine', { GGML_NO_BACKTRACE: '1', ...env }),
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    windowsHide: true,
  } as Parameters<typeof fork>[2]
  const begin = () => fork(file, [], options)
  // When a worker thread is terminated, only native code is notified. The main thread ends with the process.
  if (isMainThread) return begin()
  let binding: NativeBinding
  try {
    binding = loadBinding()
  } catch {
    return begin() // opening a model reports that there is no addon
  }
  return startWithThread(binding, begin)
}
