import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { areBuilt, llamaToolsRoom } from '../../scripts/llama-tools.mjs'

const room = await llamaToolsRoom('tokenize')

/** Whether llama.cpp's own `llama-tokenize` is there: `npm run bench:tools -- tokenize`. */
export const hasLlamaTokenize = areBuilt(room)

/** What it makes of `text`, on a stack without limit, since its patterns recurse. */
export async function llamaTokenize(model: string, text: string): Promise<number[]> {
  const file = `${model}.txt`
  writeFileSync(file, text)
  const options = ['--ids', '--no-bos', '--no-parse-special', '--no-escape', '--log-disable']
  const args = [room!.tokenize, '-m', model, '-f', file, ...options]
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-c', 'ulimit -s unlimited; exec "$@"', 'bash', ...args],
    { maxBuffer: 2 ** 28, timeout: 300_000 },
  )
  rmSync(file)
  return JSON.parse(stdout.trim()) as number[]
}
