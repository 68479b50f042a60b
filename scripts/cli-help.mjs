// Writes what `--help` says into docs/cli.md, between its marks. `--check` ends with 1 where it says something else.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { inRoot } from './paths.mjs'

const page = inRoot('docs', 'cli.md')
const before = readFileSync(page, 'utf8')
const after = before.replaceAll(/<!-- help: (.*?)-->[\s\S]*?<!-- end -->/g, (_, command) => {
  const words = command.trim().split(' ').filter(Boolean)
  const env = { ...process.env, COLUMNS: '110', NO_COLOR: '1' }
  const { stdout } = spawnSync(process.execPath, [inRoot('dist', 'cli.cjs'), ...words, '--help'], {
    encoding: 'utf8',
    env,
  })
  return `<!-- help: ${command}-->\n\n\`\`\`text\n${stdout.trimEnd()}\n\`\`\`\n\n<!-- end -->`
})
if (!process.argv.includes('--check')) writeFileSync(page, after)
else if (after !== before) {
  process.stderr.write('docs/cli.md is not what --help says: run `node scripts/cli-help.mjs`.\n')
  process.exitCode = 1
}
