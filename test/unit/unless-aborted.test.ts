import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { unlessAborted } from '../../src/core/async.ts'

test('a wait that ends leaves no listener on its signal', async () => {
  const { signal } = new AbortController()
  const waits = [
    unlessAborted(Promise.resolve(3), signal),
    unlessAborted(Promise.reject(new Error()), signal),
  ]
  expect(getEventListeners(signal, 'abort')).toHaveLength(2)
  await Promise.allSettled(waits)
  await null
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('a wait rejects with the reason of its signal, before and after that aborts', async () => {
  const controller = new AbortController()
  const reason = new Error('left')
  const never = new Promise<never>(() => {})
  const waiting = unlessAborted(never, controller.signal)
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  await expect(unlessAborted(never, controller.signal)).rejects.toBe(reason)
})
