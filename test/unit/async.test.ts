import { describe, expect, test } from 'vitest'
import { abortOf, Callbacks, deferred, pause, Queue } from '../../src/core/async.ts'

test('a deferred promise is settled from outside', async () => {
  const { promise, resolve } = deferred<number>()
  resolve(3)
  expect(await promise).toBe(3)
  const failed = deferred()
  failed.reject(new Error('no'))
  await expect(failed.promise).rejects.toThrow('no')
})

test('a queue lets one at a time through, in order of arrival', async () => {
  const queue = new Queue()
  const order: number[] = []
  const visit = async (number: number) => {
    const leave = await queue.enter()
    order.push(number)
    await Promise.resolve()
    order.push(number)
    leave()
  }
  await Promise.all([1, 2, 3].map(visit))
  expect(order).toEqual([1, 1, 2, 2, 3, 3])
})

test('waits reject with the reason of the signal, before or while they wait', async () => {
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await expect(pause(1e6, signal)).rejects.toBe(reason)
  await expect(abortOf(signal)).rejects.toBe(reason)
  const later = new AbortController()
  const waits = [pause(1e6, later.signal), abortOf(later.signal)]
  later.abort(reason)
  for (const wait of waits) await expect(wait).rejects.toBe(reason)
  expect(await pause(1, new AbortController().signal)).toBeUndefined()
})

describe('user callbacks', () => {
  test('return what they return', () => {
    const callbacks = new Callbacks()
    expect(callbacks.call(() => 3)).toBe(3)
    expect(callbacks.haveThrown).toBe(false)
    expect(callbacks.rethrow()).toBeUndefined()
  })

  test('throw the error of the callback, and the first one again', () => {
    const callbacks = new Callbacks()
    const fail = (error: unknown) => () => {
      throw error
    }
    expect(() => callbacks.call(fail(undefined))).toThrow()
    expect(callbacks.haveThrown).toBe(true)
    expect(() => callbacks.call(fail(new Error('second')))).toThrow('second')
    let caught: unknown = 'nothing'
    try {
      callbacks.rethrow()
    } catch (error) {
      caught = error
    }
    expect(caught).toBeUndefined()
  })
})
