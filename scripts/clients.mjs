// Programs of others that speak OpenAI's API, for `npm run test:clients`: installed into .cache/clients from npm and
// PyPI, each version pinned.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir } from './paths.mjs'
import { run, which } from './process.mjs'
import { main, Stop, step } from './steps.mjs'

/** A registry that cannot be reached says nothing for ever. */
const QUIET_MS = 300_000
/** aider pins what the others need in newer versions. */
const PYTHON = {
  python: ['llm==0.36', 'pydantic-ai-slim[openai]==2.68.0'],
  aider: ['aider-chat==0.86.2'],
}
const NODE = ['@continuedev/openai-adapters@1.37.0', 'multi-llm-ts@5.1.1', 'chatgpt@5.2.5']

export const clientsDir = join(cacheDir, 'clients')

/** Installs what is missing. @throws {Stop} where that cannot be done */
export async function installClients(report = () => {}) {
  const python = which('python3')
  if (python === undefined)
    throw new Stop('Python 3 is needed for this (Debian: apt-get install python3-venv).')
  const jobs = Object.entries(PYTHON).map(([name, packages]) => [
    name,
    packages,
    async (folder) => {
      await succeed(python, ['-m', 'venv', folder])
      await succeed(join(folder, 'bin', 'pip'), ['install', '--disable-pip-version-check', ...packages])
    },
  ])
  jobs.push([
    'node',
    NODE,
    async (folder) => {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
      await succeed('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...NODE], folder)
    },
  ])
  for (const [name, packages, install] of jobs) {
    const folder = join(clientsDir, name)
    const mark = join(folder, `installed ${packages.join(' ').replaceAll('/', ' ')}`)
    if (existsSync(mark)) continue
    report(`installing ${packages.join(', ')}`)
    mkdirSync(folder, { recursive: true })
    await install(folder)
    writeFileSync(mark, '')
  }
}

async function succeed(command, args, cwd) {
  const { code, output } = await run(command, args, { cwd, quietLimit: QUIET_MS })
  if (code !== 0) throw new Stop(`${output.slice(-2000)}\n${command} ${args.join(' ')} failed (${code}).`)
}

main(import.meta.url, () => step('clients', installClients))
