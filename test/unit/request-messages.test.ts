import { expect, test } from 'vitest'
import { UnknownFields } from '../../src/server/api/fields.ts'
import { readMessages } from '../../src/server/api/messages.ts'

test.each([
  [{ reasoning_content: 'thought' }],
  [{ reasoning: 'thought' }],
  [{ reasoning: null, reasoning_content: 'thought' }],
  [{ reasoning: '', reasoning_content: 'thought' }],
  [{ reasoning: 'thought', reasoning_content: null }],
])('an answer that is sent back keeps its reasoning: %o', (fields) => {
  const message = { role: 'assistant', content: 'said', ...fields }
  expect(readMessages([message], 10, new UnknownFields(false))).toEqual([
    { role: 'assistant', content: 'said', reasoning: 'thought' },
  ])
})
