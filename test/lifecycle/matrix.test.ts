import { describe, expect, test, vi } from 'vitest'
import { runChild } from '../support/child.ts'

// Whatever a model is doing, and whatever happens to it: what becomes of its calls, of its process, and of its engine's.

const MODES = ['inProcess', 'isolated'] as const
const STAGES = ['new', 'opening', 'idle', 'prefill', 'streaming', 'queued', 'closed'] as const
const EVENTS = ['close', 'abort', 'exit', 'SIGTERM', 'killEngine', 'SIGKILL', 'terminate', 'throw'] as const
type Stage = (typeof STAGES)[number]
type Event = (typeof EVENTS)[number]

/** Calls that are running at a stage. */
const CALLS: Record<Stage, readonly string[]> = {
  new: [],
  opening: ['opening'],
  idle: [],
  prefill: ['prefill'],
  streaming: ['streaming'],
  queued: ['first', 'queued', 'queued'],
  closed: [],
}

const NAMES: Record<Event, string> = {
  close: 'close()',
  abort: 'an abort',
  exit: 'process.exit(7)',
  SIGTERM: 'SIGTERM',
  killEngine: "SIGKILL of the engine's process",
  SIGKILL: 'SIGKILL',
  terminate: 'terminate() of its worker thread',
  throw: 'an uncaught exception',
}

type Cell = {
  readonly title: string
  /** What calls under way end with, and what one afterwards gives. */
  readonly calls?: string
  readonly after?: string
  readonly code: number | null
  readonly signal?: NodeJS.Signals
}

function cellOf(stage: Stage, event: Event): Cell {
  switch (event) {
    case 'close':
      return {
        title: 'rejects running and later calls with ERR_CLOSED',
        ...ends('ERR_CLOSED', 'ERR_CLOSED'),
      }
    case 'abort':
      if (stage === 'closed') return { title: 'changes nothing', ...ends('', 'ERR_CLOSED') }
      if (stage === 'new' || stage === 'opening')
        return {
          title: 'rejects the opening, now and later, with the reason',
          ...ends('AbortError', 'AbortError'),
        }
      return {
        title: 'rejects the call with its reason; the next one answers',
        ...ends('AbortError', 'Paris.'),
      }
    case 'killEngine':
      return {
        title: 'rejects running calls with ERR_ENGINE_CRASHED, and the next call answers',
        ...ends('ERR_ENGINE_CRASHED', 'Paris.'),
      }
    case 'exit':
      return { title: 'ends the process with code 7', code: 7 }
    case 'throw':
      return { title: 'ends the process with code 1', code: 1 }
    case 'SIGTERM':
    case 'SIGKILL':
      return { title: `ends the process with ${event}`, code: null, signal: event }
    case 'terminate':
      return { title: 'ends that thread alone', code: 0 }
  }
}

const ends = (calls: string, after: string) => ({ calls, after, code: 0 })

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

const cells = MODES.flatMap((mode) =>
  STAGES.flatMap((stage) =>
    EVENTS.flatMap((event) => {
      // There is no process of an engine to be killed.
      const without = mode === 'inProcess' || stage === 'new' || stage === 'closed'
      return event === 'killEngine' && without ? [] : [{ mode, stage, event, ...cellOf(stage, event) }]
    }),
  ),
)

describe.each(MODES)('a model (%s)', (mode) => {
  describe.each(STAGES)('at the stage %s:', (stage) => {
    const ofStage = cells.filter((cell) => cell.mode === mode && cell.stage === stage)
    test.each(ofStage.map((cell) => [NAMES[cell.event], cell.title, cell] as const))(
      '%s %s, and nothing is left behind',
      async (_, __, { event, calls, after, code, signal }) => {
        const ended = await runChild('matrix.mjs', [mode, stage, event], {
          onMessage: (message, child) => {
            const isReady = typeof message === 'object' && message !== null && 'ready' in message
            if (isReady && (event === 'SIGTERM' || event === 'SIGKILL')) child.kill(event)
          },
        })
        const told = ended.messages as Record<string, unknown>[]
        expect(ended.stdout).toBe('')
        // A signal to a process that has nothing more to do may come too late.
        const late = signal && ended.signal === null && CALLS[stage].length === 0
        expect({ code: ended.code, signal: ended.signal }).toEqual({
          code: late ? 0 : code,
          signal: late ? null : (signal ?? null),
        })
        if (calls !== undefined) {
          for (const call of new Set(CALLS[stage])) {
            const outcomes = told.filter((one) => call in one).map((one) => one[call])
            expect(outcomes, call).toEqual(CALLS[stage].filter((one) => one === call).map(() => calls))
          }
          expect(told.find((one) => 'after' in one)?.after).toBe(after)
        }
        const engine = told.find((one) => 'ready' in one)?.ready
        if (mode === 'isolated' && stage !== 'new' && stage !== 'closed') expect(engine).toBeGreaterThan(0)
        if (typeof engine === 'number')
          await vi.waitFor(() => expect(isGone(engine)).toBe(true), { timeout: 10_000 })
      },
    )
  })
})

// Elsewhere a stopped process ends when it goes on.
test.skipIf(process.platform !== 'linux')('a stopped engine process ends with its program', async () => {
  const { signal, messages } = await runChild('matrix.mjs', ['isolated', 'streaming', 'SIGKILL'], {
    onMessage: (message, child) => {
      process.kill((message as { readonly ready: number }).ready, 'SIGSTOP')
      child.kill('SIGKILL')
    },
  })
  expect(signal).toBe('SIGKILL')
  const { ready: engine } = messages[0] as { readonly ready: number }
  await vi.waitFor(() => expect(isGone(engine)).toBe(true), { timeout: 10_000 })
})

test('garbage collection frees processes, turns and places that are not referenced, but nothing that is awaited', async () => {
  const { code, stderr, messages } = await runChild('dropped.mjs', [], { execArgv: ['--expose-gc'] })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(messages).toEqual([
    { model: true },
    { answered: expect.stringContaining('Paris') },
    { waited: true },
  ])
})
