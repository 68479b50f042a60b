import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'
import { closeAll, json, open } from '../support/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'gpt4all-queue-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(closeAll)

/** A message with that word takes as long as a template may take, and is refused then. */
const BOOM = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
const chatTemplate = `{% if 'boom' in messages[-1].content %}${BOOM}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}`
const modelConfigFile = join(folder, 'config.json')
writeFileSync(modelConfigFile, JSON.stringify([{ filename: basename(EMBEDDED), chatTemplate }]))

test.each([
  ['the server', { maxQueue: 1 }, {}],
  ['the model', {}, { maxQueue: 1 }],
  ['the model, isolated', {}, { maxQueue: 1, isolated: true }],
])(
  'prompts that are being rendered count for the maxQueue of %s, which answers further requests with 429',
  async (_, options, modelOptions) => {
    const one = await open(options, { ...modelOptions, parallel: 1, modelConfigFile })
    const ask = (content: string) =>
      one.post('/v1/chat/completions', { messages: [{ role: 'user', content }], max_tokens: 1 })
    expect((await ask('Hi')).status).toBe(200)
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('boom')))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(6)
    for (const answer of refused) {
      expect(answer.headers.get('retry-after')).toBe('1')
      expect((await json(answer)).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' })
    }
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(2)
    expect((await ask('Hi')).status).toBe(200)
  },
)
