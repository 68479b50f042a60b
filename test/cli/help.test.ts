import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from '../support/cli.ts'

test('docs/cli.md contains the output of --help', async () => {
  const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'cli.md'), 'utf8')
  const parts = [...page.matchAll(/<!-- help: (.*?)-->\s+```text\n([\s\S]*?)\n```\s+<!-- end -->/g)]
  expect(parts.length).toBeGreaterThan(6)
  for (const [, command = '', text] of parts) {
    const words = command.trim().split(' ').filter(Boolean)
    const { stdout, code } = await run([...words, '--help'], '', { COLUMNS: '110', NO_COLOR: '1' })
    expect(code).toBe(0)
    expect(stdout.trimEnd(), `node scripts/cli-help.mjs writes it (${command})`).toBe(text)
  }
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(
    await readFile(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
  )
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})
