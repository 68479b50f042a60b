import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, toApiError } from '../errors.ts'

/** How many pieces may wait for a client that reads slowly; then nothing more is generated. */
const MOST_WAITING = 32
/** The longest delay of a timer. */
const MOST_MS = 2 ** 31 - 1
const PING = Symbol('ping')
/** A client or a proxy may take silence for the end. */
const STILL_THERE = ': still working\n\n'
/** How long the status waits for the first piece, which may be an error. */
const FIRST_MS = 5_000

const encoder = new TextEncoder()

/** One event of a stream (Server-Sent Events), of JSON or of text. */
export function event(data: object | string): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

/**
 * A response that streams `events`, pulled as the client reads, a few ahead. A failure within `FIRST_MS`,
 * before the first one, rejects here; `cancel` is called when the client goes away or reads nothing for
 * `stallTimeout` ms. After `pingInterval` ms without an event it sends a comment.
 */
export async function streamed(
  events: AsyncGenerator<string, void, void>,
  times: StreamTimes,
  cancel: (reason: unknown) => void,
): Promise<Response> {
  const waiting: PendingEvent = { next: events.next() }
  const timer = new AbortController()
  const late = sleep(FIRST_MS, undefined, { signal: timer.signal }).catch(() => {})
  await Promise.race([waiting.next, late]).finally(() => timer.abort())
  return new Response(toBody(events, waiting, times, cancel), {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
  })
}

/** ms, or `Infinity` */
type StreamTimes = { readonly stallTimeout: number; readonly pingInterval: number }

type PendingEvent = { next: Promise<IteratorResult<string, void>> | undefined }

function toBody(
  events: AsyncGenerator<string, void, void>,
  waiting: PendingEvent,
  { stallTimeout, pingInterval }: StreamTimes,
  cancel: (reason: unknown) => void,
): ReadableStream<Uint8Array> {
  let stalled: NodeJS.Timeout | undefined
  const pinger = new Pinger(pingInterval)
  const leave = (reason: unknown) => {
    clearTimeout(stalled)
    pinger.end()
    cancel(reason)
    waiting.next?.catch(() => {})
    events.return().catch(() => {})
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stalled)
        waiting.next ??= events.next()
        const result = await pinger.wait(waiting.next).catch((error: unknown) => toApiError(error))
        if (result === PING) return controller.enqueue(encoder.encode(STILL_THERE))
        waiting.next = undefined
        if (result instanceof ApiError) controller.enqueue(encoder.encode(event(result.body)))
        if (result instanceof ApiError || result.done) {
          pinger.end()
          return controller.close()
        }
        controller.enqueue(encoder.encode(result.value))
        if ((controller.desiredSize ?? 0) > 0 || stallTimeout === Number.POSITIVE_INFINITY) return
        stalled = setTimeout(() => {
          leave(new Error('the client has stopped reading'))
          controller.close()
        }, stallTimeout)
        stalled.unref()
      },
      cancel: leave,
    },
    { highWaterMark: MOST_WAITING },
  )
}

/** `wait()` resolves with `PING` if what it waits for takes long; one timer serves a whole stream. */
class Pinger {
  #ping = () => {}
  readonly #timer: NodeJS.Timeout | undefined

  constructor(interval: number) {
    if (interval === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.#ping(), Math.min(interval, MOST_MS)).unref()
  }

  wait<T>(next: Promise<T>): Promise<T | typeof PING> {
    const ping = new Promise<typeof PING>((resolve) => {
      this.#ping = () => resolve(PING)
    })
    this.#timer?.refresh()
    return Promise.race([next, ping])
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

/** The values of several iterators as they come, with their indices; `undefined` marks the end of one. */
export async function* merged<T extends object>(
  iterators: readonly AsyncGenerator<T, void, void>[],
): AsyncGenerator<{ readonly index: number; readonly value: T | undefined }, void, void> {
  const [only] = iterators
  if (only && iterators.length === 1) {
    yield* alone(only)
    return
  }
  const next = async (index: number) => ({ index, result: await iterators[index]!.next() })
  const pending = new Map(iterators.map((_, index) => [index, next(index)]))
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values())
      if (result.done) pending.delete(index)
      else pending.set(index, next(index))
      yield { index, value: result.done ? undefined : result.value }
    }
  } finally {
    for (const left of pending.values()) left.catch(() => {})
    await Promise.allSettled(iterators.map((iterator) => iterator.return()))
  }
}

/** The same for one iterator. Requests the next value before yielding this one, because both take time. */
async function* alone<T extends object>(
  iterator: AsyncGenerator<T, void, void>,
): AsyncGenerator<{ readonly index: number; readonly value: T | undefined }, void, void> {
  let next = iterator.next()
  try {
    for (;;) {
      const { value, done } = await next
      if (done) break
      next = iterator.next()
      yield { index: 0, value }
    }
    yield { index: 0, value: undefined }
  } finally {
    next.catch(() => {})
    await iterator.return().catch(() => {})
  }
}
