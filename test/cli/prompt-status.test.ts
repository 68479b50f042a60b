import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { PromptStatus } from '../../src/cli/answer/prompt-status.ts'

function terminal(isTTY = true) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
  let text = ''
  stream.on('data', (chunk: string) => {
    text += chunk
  })
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => text }
}

const at = (processedTokens: number) => ({ promptTokens: 4000, cachedTokens: 0, processedTokens })

test('a prompt that takes long is reported on a line that goes again when it is done', async () => {
  const { stream, written } = terminal()
  const status = new PromptStatus(stream)
  status.report(at(0))
  status.report(at(512))
  expect(written()).toBe('')
  await expect.poll(written).toBe('\r\x1b[Kreading the prompt: 12 % of 4000 tokens')
  status.report(at(1024))
  status.report(at(4000))
  status.end()
  expect(written().split('\r\x1b[K')).toEqual([
    '',
    'reading the prompt: 12 % of 4000 tokens',
    'reading the prompt: 25 % of 4000 tokens',
    '',
  ])
})

test('a prompt that fails, or is read at once, leaves nothing', async () => {
  const { stream, written } = terminal()
  const later = terminal()
  const failed = new PromptStatus(stream)
  failed.report(at(0))
  failed.end()
  const quick = new PromptStatus(stream)
  quick.report(at(0))
  quick.report(at(4000))
  new PromptStatus(later.stream).report(at(0))
  await expect.poll(later.written).not.toBe('') // by now the others would have spoken
  expect(written()).toBe('')
})

test('on a narrow terminal the report keeps to one row', async () => {
  const { stream, written } = terminal()
  stream.columns = 24
  new PromptStatus(stream).report(at(512))
  await expect.poll(written).toBe('\r\x1b[Kreading the prompt: 12 ')
})

test('where there is no terminal each tenth of a long prompt is a line', async () => {
  const { stream, written } = terminal(false)
  const status = new PromptStatus(stream)
  status.report(at(512))
  await expect.poll(written).toBe('prompt: 10 % of 4000 tokens\n')
  for (const tokens of [600, 1300, 1500, 4000]) status.report(at(tokens))
  status.end()
  expect(written()).toBe('prompt: 10 % of 4000 tokens\nprompt: 30 % of 4000 tokens\n')
})
