import { expect, test } from 'vitest'
import { ReadLock } from '../../src/scheduler/cache/read-lock.ts'

function deferred() {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

test('a read lock lets many read at once; a change waits for them, and later reads wait for the change', async () => {
  const lock = new ReadLock()
  const order: string[] = []
  const [first, second, change] = [deferred(), deferred(), deferred()]
  const done = (name: string) => void order.push(name)
  const reads = [first, second].map((one, i) => lock.read(() => one.promise).then(() => done(`read ${i}`)))
  const changing = lock.change(async () => {
    done('change begins')
    await change.promise
    done('change ends')
  })
  const late = lock.read(async () => done('late read'))
  second.resolve()
  await reads[1]
  expect(order).toEqual(['read 1'])
  first.resolve()
  await reads[0]
  change.resolve()
  await Promise.all([changing, late])
  expect(order).toEqual(['read 1', 'read 0', 'change begins', 'change ends', 'late read'])
})

test('a read that rejects releases the read lock', async () => {
  const lock = new ReadLock()
  const read = lock.read(() => Promise.reject(new Error('no')))
  const changing = lock.change(async () => {})
  await expect(read).rejects.toThrow('no')
  await changing
  expect(await lock.read(async () => 'fine')).toBe('fine')
})
