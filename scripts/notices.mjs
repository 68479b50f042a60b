// THIRD_PARTY_NOTICES.md: the licences of everything that is compiled into the addon or bundled into dist/, out of
// the sources themselves. `npm run notices` writes it; a test compares. (What npm installs beside it brings its own.)
import { readFileSync, writeFileSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { main } from './steps.mjs'

const llama = (path) => `vendor/llama.cpp/${path}`

const PARTS = [
  { name: 'llama.cpp and ggml', home: 'https://github.com/ggml-org/llama.cpp', licence: llama('LICENSE') },
  {
    name: 'JSON for Modern C++',
    home: 'https://github.com/nlohmann/json',
    licence: llama('licenses/LICENSE-jsonhpp'),
  },
  {
    name: 'cpp-httplib',
    home: 'https://github.com/yhirose/cpp-httplib',
    licence: llama('vendor/cpp-httplib/LICENSE'),
  },
  {
    name: 'llamafile (matrix multiplication in ggml)',
    home: 'https://github.com/Mozilla-Ocho/llamafile',
    licence: llama('ggml/src/ggml-cpu/llamafile/sgemm.cpp'),
    extract: headComment,
  },
  {
    name: 'YaRN (rotary embedding in ggml)',
    home: 'https://github.com/jquesnelle/yarn',
    licence: llama('ggml/src/ggml-cpu/ops.cpp'),
    extract: (text) =>
      `${/MIT licensed\. (Copyright .*)/.exec(text)[1]}\n\nMIT licensed, under the text given for llama.cpp above.`,
  },
  {
    name: 'node-addon-api',
    home: 'https://github.com/nodejs/node-addon-api',
    licence: 'node_modules/node-addon-api/LICENSE.md',
  },
  {
    name: 'fastest-levenshtein (in dist/)',
    home: 'https://github.com/ka-weihe/fastest-levenshtein',
    licence: 'node_modules/fastest-levenshtein/LICENSE.md',
  },
  {
    name: '@clack/prompts (in dist/)',
    home: 'https://github.com/bombshell-dev/clack',
    licence: 'node_modules/@clack/prompts/LICENSE',
  },
  {
    name: '@clack/core (in dist/)',
    home: 'https://github.com/bombshell-dev/clack',
    licence: 'node_modules/@clack/core/LICENSE',
  },
  {
    name: 'sisteransi (in dist/)',
    home: 'https://github.com/terkelg/sisteransi',
    licence: 'node_modules/sisteransi/license',
  },
  {
    name: 'fast-string-width (in dist/)',
    home: 'https://github.com/fabiospampinato/fast-string-width',
    licence: 'node_modules/fast-string-width/license',
  },
  {
    name: 'fast-wrap-ansi (in dist/)',
    home: 'https://github.com/43081j/fast-wrap-ansi',
    licence: 'node_modules/fast-wrap-ansi/LICENSE',
  },
  {
    name: 'fast-string-truncated-width (in dist/)',
    home: 'https://github.com/fabiospampinato/fast-string-truncated-width',
    licence: 'node_modules/fast-string-truncated-width/license',
  },
]

export function notices() {
  const sections = PARTS.map(({ name, home, licence, extract = (text) => text }) => {
    const text = extract(readFileSync(inRoot(licence), 'utf8'))
      .replaceAll('\r\n', '\n')
      .trim()
    return `## ${name}\n\n${home}\n\n\`\`\`text\n${text}\n\`\`\`\n`
  })
  const head = [
    '# Third-party notices',
    '',
    'gpt4all-ts contains code of the projects below, under their licences: in its native addon (`gpt4all.node`) or,',
    'where the heading says so, in its JavaScript (`dist/`). Made by `npm run notices` from the sources themselves.',
    '',
    '',
  ]
  return head.join('\n') + sections.join('\n')
}

/** The `//` comment that a file begins with, up to its first paragraph that is not licence. */
function headComment(text) {
  const lines = text.split('\n')
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('//')),
    )
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n')
}

main(import.meta.url, async () => {
  writeFileSync(inRoot('THIRD_PARTY_NOTICES.md'), notices())
})
