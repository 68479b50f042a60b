import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const out = join(root, 'out')
export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

export const PACKED = {
  main: join(out, `gpt4all-ts-${version}.tgz`),
  platform: join(out, `gpt4all-ts-${process.platform}-${process.arch}-${version}.tgz`),
}

/** An empty project with these packages in it, installed without scripts; the registry has the rest. */
export async function installed(...packages: readonly string[]): Promise<string> {
  for (const file of packages)
    if (file.endsWith('.tgz') && !existsSync(file))
      throw new Error(`${file} is missing: run \`npm run pack:all\` first.`)
  const folder = mkdtempSync(join(tmpdir(), 'gpt4all-ts-package-'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }))
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--cache', join(folder, '.npm')]
  await execute('npm', ['install', ...options, ...packages], {
    cwd: folder,
    shell: process.platform === 'win32',
  })
  return folder
}
