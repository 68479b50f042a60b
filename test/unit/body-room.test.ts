import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { BodyRoom, MEMORY_PER_BODY, MEMORY_PER_BYTE } from '../../src/server/body/room.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const MOST = 3 * MEMORY_PER_BODY + MEMORY_PER_BYTE * 1_000_000
const full = expect.objectContaining({ status: 429, code: 'bodies_full' })
const never = () => {
  throw new Error('given up')
}

describe('the room for bodies', () => {
  test('limits the bytes of all together, and is freed again', () => {
    const room = new BodyRoom(MOST)
    const [first, second] = [room.enter(never), room.enter(never)]
    first.grow(600_000)
    expect(() => second.grow(500_000)).toThrow(full)
    second.grow(400_000)
    first.release()
    first.release()
    second.grow(600_000)
    expect(() => second.grow(1_000_000)).toThrow(full)
  })

  test('limits the number of bodies, however small they are', () => {
    const room = new BodyRoom(3 * MEMORY_PER_BODY)
    const [first] = [room.enter(never), room.enter(never), room.enter(never)]
    expect(() => room.enter(never)).toThrow(full)
    first!.release()
    room.enter(never)
  })

  test('is taken from the slowest body if another needs it, and from no body in time', () => {
    const room = new BodyRoom(MOST)
    const gone: string[] = []
    const enter = (name: string) => room.enter(({ status, code }) => gone.push(`${name} ${status} ${code}`))
    const stalled = enter('stalled')
    stalled.grow(300_000)
    vi.advanceTimersByTime(100)
    const trickling = enter('trickling')
    trickling.grow(300_000)
    const fast = enter('fast')
    fast.grow(300_000)
    for (let i = 0; i < 30; i++) {
      vi.advanceTimersByTime(100)
      trickling.came(1000)
      fast.came(10_000)
    }
    fast.grow(100_000)
    expect(gone).toEqual([])
    fast.grow(200_000)
    expect(gone).toEqual(['stalled 408 body_timeout'])
    fast.grow(400_000)
    expect(gone).toEqual(['stalled 408 body_timeout', 'trickling 408 body_timeout'])
    vi.advanceTimersByTime(5000)
    expect(() => fast.grow(40_000)).toThrow(full) // not its own
  })

  test('is kept by a body that has arrived, however long its answer takes', () => {
    const room = new BodyRoom(MOST)
    const whole = room.enter(never)
    whole.grow(1_000_000)
    whole.complete()
    vi.advanceTimersByTime(60_000)
    expect(() => room.enter(never).grow(40_000)).toThrow(full)
  })
})
