// Writes src/chat/known-templates.ts: the hashes of the chat templates that come with llama.cpp, each of which is
// rendered by the tests. Run it when llama.cpp's release changes.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from './paths.mjs'

const folder = inRoot('vendor/llama.cpp/models/templates')
const hashes = readdirSync(folder)
  .filter((name) => name.endsWith('.jinja'))
  .map((name) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex'),
  )
  .sort()

writeFileSync(
  inRoot('src/chat/known-templates.ts'),
  `/** SHA-256 of the templates in llama.cpp's models/templates. Made by: node scripts/known-templates.mjs */
export const KNOWN_TEMPLATES: ReadonlySet<string> = new Set([
${hashes.map((hash) => `  '${hash}',`).join('\n')}
])
`,
)
