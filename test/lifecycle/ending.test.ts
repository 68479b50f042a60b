import { describe, expect, test } from 'vitest'
import { runChild } from '../support/child.ts'

/** How often the racy endings are tried: each hits the work at another point. */
const TIMES = 5
const STAGES = ['loading', 'prefill', 'streaming', 'idle'] as const

async function endings(stage: string, ending: string, times: number) {
  const ended = []
  for (let i = 0; i < times; i++) ended.push(await runChild('one.mjs', [stage, ending]))
  for (const { stdout } of ended) expect(stdout).toBe('')
  return ended
}

describe.each(STAGES)('while %s', (stage) => {
  test.each([
    ['exit0', 0],
    ['exit7', 7],
  ])('process.exit(): %s', async (ending, code) => {
    for (const ended of await endings(stage, ending, TIMES))
      expect(ended).toMatchObject({ code, signal: null })
  })

  test.each(['throw', 'reject'])('an uncaught %s ends the process with code 1', async (ending) => {
    for (const ended of await endings(stage, ending, TIMES)) {
      expect(ended).toMatchObject({ code: 1, signal: null })
      expect(ended.stderr).toContain('by the test')
    }
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends the process as usual', async (signal) => {
    for (let i = 0; i < TIMES; i++) {
      const ended = await runChild('one.mjs', [stage, 'signal'], {
        onMessage: (message, child) => message === 'ready' && child.kill(signal),
      })
      if (stage === 'idle' && ended.signal === null) expect(ended.code).toBe(0)
      else expect(ended).toMatchObject({ code: null, signal })
    }
  })

  test('close() settles everything, and the process ends', async () => {
    for (const { code, signal, messages } of await endings(stage, 'close', TIMES)) {
      expect({ code, signal }).toEqual({ code: 0, signal: null })
      expect(messages).toContain('closed')
      if (stage !== 'idle')
        expect(messages.some((one) => one === 'ERR_CLOSED' || one === 'answered')).toBe(true)
    }
  })
})

test("an 'exit' that the program itself emits closes the model, and nothing waits forever", async () => {
  const [ended] = await endings('idle', 'emitExit', 1)
  expect(ended).toMatchObject({ code: 0, signal: null, messages: ['ERR_CLOSED', 'closed'] })
})

describe('the process', () => {
  test('ends with a model that was not closed', async () => {
    for (const ended of await endings('idle', 'nothing', 3))
      expect(ended).toMatchObject({ code: 0, signal: null })
  })

  test.each(['loading', 'prefill', 'streaming'])(
    'does not end while an answer is awaited: %s',
    async (stage) => {
      const [ended] = await endings(stage, 'nothing', 1)
      expect(ended).toMatchObject({ code: 0, signal: null, messages: ['answered'] })
    },
  )
})

describe('stdout', () => {
  test('stays empty whatever happens, and so does stderr without GPT4ALL_LOG, but for Node.js warning of a GPU not used', async () => {
    const ended = await runChild('quiet.mjs', [], { env: { GPT4ALL_LOG: '' } })
    expect(ended).toMatchObject({ code: 0, stdout: '', messages: [6] })
    const warning = /^\(node:\d+\) \[GPT4ALL_CPU\] Warning: .*\n.*\n(\(Use .*\)\n)?/gm
    expect(ended.stderr.replace(warning, '')).toBe('')
    expect(
      (await runChild('quiet.mjs', [], { execArgv: ['--no-warnings'], env: { GPT4ALL_LOG: '' } })).stderr,
    ).toBe('')
  })

  test('stays empty with GPT4ALL_LOG=debug; the log goes to stderr', async () => {
    const ended = await runChild('quiet.mjs', [], { env: { GPT4ALL_LOG: 'debug' } })
    expect(ended).toMatchObject({ code: 0, stdout: '', messages: [6] })
    expect(ended.stderr).toMatch(/^gpt4all debug: /m)
  })
})

test('memory does not grow over 50 rounds of load, one token, close', async () => {
  const { code, messages } = await runChild('memory.mjs', [], { execArgv: ['--expose-gc'] })
  expect(code).toBe(0)
  const { early, late } = messages[0] as { early: number; late: number }
  expect(late).toBeLessThan(early * 1.1)
})
