// Our chat sessions against what llama.cpp's own llama-server answered, recorded by bench/server-parity.mjs.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MODELS, ourAnswer, REQUEST, SERVER_FLAGS } from '../../bench/conversations.mjs'
import { kernelsOf } from '../../bench/programs.mjs'
import { pins } from '../../scripts/paths.mjs'
import { GPT4All } from '../../src/index.ts'
import { loadBinding } from '../../src/native/binding.ts'
import { EMBEDDED, hasReal, REAL } from '../support/models.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/llama-server.json', import.meta.url), 'utf8'))
const recordedOf = (file) => golden.models.find(({ model }) => model === basename(file))

const kernels = kernelsOf(loadBinding().systemInfo)
const real = recordedOf(REAL)
const comparable = golden.arch === process.arch && real.kernels === kernels

if (hasReal && !comparable) {
  console.warn(
    `The server's answers were recorded with other kernels (${golden.arch} ${real.kernels}) than this build's ` +
      `(${process.arch} ${kernels}), so SmolLM2's are not compared: run \`node bench/server-parity.mjs\` to compare ` +
      'with llama-server itself.',
  )
}

test('the golden was recorded from this llama.cpp, with these conversations, flags and parameters', () => {
  expect(golden).toMatchObject({
    llamaCpp: pins['llama.cpp'].release,
    flags: SERVER_FLAGS,
    request: REQUEST,
  })
  expect(golden.models.map(({ model }) => model)).toEqual(MODELS.map(({ file }) => basename(file)))
  for (const { file, conversations } of MODELS)
    expect(recordedOf(file).answers.map(({ messages }) => messages)).toEqual(conversations)
})

describe.each([
  { name: 'the embedded model', file: EMBEDDED, compared: true },
  { name: 'SmolLM2-135M', file: REAL, compared: hasReal && comparable },
])('$name at temp 0', ({ file, compared }) => {
  const answers = recordedOf(file).answers.map((entry) => ({ ...entry, last: entry.messages.at(-1).content }))
  test.skipIf(!compared).each(answers)(
    'answers as llama-server does: $last',
    async ({ messages, ...theirs }) => {
      const { last, ...expected } = theirs
      expect(await ourAnswer(GPT4All, file, messages)).toEqual(expected)
    },
  )
})
