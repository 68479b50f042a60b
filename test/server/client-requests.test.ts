import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventsOf, type Json, type Running, serve } from '../support/server.ts'

/** What programs of others send for a chat or a completion, each with the source that it was read from. */
type ClientRequest = {
  readonly client: string
  readonly what: string
  readonly source: string
  readonly path: string
  readonly body: Readonly<Record<string, Json>>
}

const requests: readonly ClientRequest[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'golden', 'client-requests.json'), 'utf8'),
)

/** What this server does not have yet: a request that asks for it is refused, and told so. */
function asksForMore({
  tools,
  functions,
  tool_choice,
  response_format,
  grammar,
  echo,
  ...body
}: Json): boolean {
  const some = (value: Json) => Object.keys(Object(value)).length > 0
  const parts = (body.messages ?? []).flatMap(({ content }: Json) => (Array.isArray(content) ? content : []))
  return (
    (some(tools) && tool_choice !== 'none') ||
    tool_choice === 'required' ||
    some(functions) ||
    (response_format && response_format.type !== 'text') ||
    Boolean(grammar || body.suffix || some(body.json_schema) || body.prompt_logprobs) ||
    (echo && typeof body.logprobs === 'number') ||
    parts.some(({ type }: Json) => /image|audio/.test(type)) ||
    (body.messages ?? []).some(({ role, tool_calls }: Json) => role === 'tool' || some(tool_calls))
  )
}

let running: Running
beforeAll(async () => {
  running = await serve({ maxTokens: 2 }, { nCtx: 4096, parallel: 4 })
})
afterAll(() => running.close())

describe.each(requests)('$client: $what ($source)', ({ path, body }) => {
  if (asksForMore(body))
    test('is refused for what it asks for', async () => {
      const response = await running.post(path, body)
      expect(response.status).toBe(400)
      expect(((await response.json()) as Json).error.code).toBe('unsupported_parameter')
    })
  else
    test('is answered', async () => {
      const response = await running.post(path, body)
      const text = await response.text()
      expect([response.status, response.status === 200 ? '' : text]).toEqual([200, ''])
      if (body.stream) expect(eventsOf(text).isDone).toBe(true)
      else expect(JSON.parse(text).choices.length).toBeGreaterThan(0)
    })
})

test('come from many clients', () => {
  expect(new Set(requests.map(({ client }) => client)).size).toBeGreaterThan(60)
})
