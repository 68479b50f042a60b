import { describe, expect, test } from 'vitest'
import { Slot } from '../../src/scheduler/cache/slots.ts'
import type { Ask, BatchEntry, Request } from '../../src/scheduler/request.ts'
import { runOf } from '../../src/scheduler/runs.ts'

const CONTEXT = 1000
const ended = () => {}

/** A stream that has drawn its last token and wants `most` more. */
function stream(interval: number | undefined, { most = 500, held = 100 } = {}): BatchEntry {
  const request = { tokens: Array(held).fill(0), cachedTokens: held - 1 } as unknown as Request
  const demand = interval === undefined ? undefined : { interval }
  const ask = { request, most, demand, resolve: ended, reject: ended, onAbort: ended } as unknown as Ask
  return {
    ask,
    slot: new Slot(0),
    tokens: new Int32Array(1),
    guessed: 0,
    last: true,
  } as unknown as BatchEntry
}

const run = (work: readonly BatchEntry[], waiting = 0) =>
  runOf(work, [...work.map(({ ask }) => ask), ...Array(waiting).fill({})], waiting, CONTEXT)

describe('the number of steps without JavaScript', () => {
  test('is limited by the readers', () => {
    expect(run([stream(32)])?.milliseconds).toBe(32)
    expect(run([stream(1000)])?.milliseconds).toBe(1000)
    expect(run([stream(1000), stream(8), stream(32)])?.milliseconds).toBe(8)
  })

  test('is one if a reader wants every token separately', () => {
    expect(run([stream(0)])).toBeUndefined()
    expect(run([stream(1000), stream(0)])).toBeUndefined()
  })

  test('is small if a reader has set no interval, and while others wait for a slot', () => {
    expect(run([stream(undefined)])?.milliseconds).toBe(8)
    expect(run([stream(1000)], 1)?.milliseconds).toBe(8)
    expect(run([stream(2)], 1)?.milliseconds).toBe(2)
  })

  test('is limited by the ends of answers and of the context', () => {
    expect(run([stream(32)])?.steps).toBe(64)
    expect(run([stream(32, { most: 5 }), stream(32)])?.steps).toBe(5)
    expect(run([stream(32, { held: CONTEXT - 2 })])?.steps).toBe(3)
    expect(run([stream(32, { most: 1 })])).toBeUndefined()
  })
})
