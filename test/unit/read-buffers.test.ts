import { expect, test } from 'vitest'
import { ReadBuffers } from '../../src/models/download/read-buffers.ts'

const FULL = 2 ** 16

/** What a socket does: takes a buffer, fills it, hands the piece on. */
function read(buffers: ReadBuffers, length: number, value: number): Buffer {
  buffers.next().fill(value)
  return buffers.filled(length)
}

test('no piece of a read buffer changes before it is released', () => {
  const buffers = new ReadBuffers()
  const pieces = Array.from({ length: 50 }, (_, i) => read(buffers, i % 3 === 0 ? 100 : FULL, i))
  pieces.forEach((piece, i) => {
    expect(piece.every((byte) => byte === i)).toBe(true)
  })
})

test('only the buffer before a released piece is filled again', () => {
  const buffers = new ReadBuffers()
  const [first, second, third] = [1, 2, 3].map((value) => read(buffers, FULL, value)) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  buffers.release([first, second])
  const fourth = read(buffers, FULL, 4)
  expect(fourth.buffer).toBe(first.buffer)
  const fifth = read(buffers, FULL, 5)
  for (const kept of [second, third, fourth]) expect(fifth.buffer).not.toBe(kept.buffer)
  expect([second[0], third[0]]).toEqual([2, 3])
})

test('small pieces are copied, and do not keep a buffer', () => {
  const buffers = new ReadBuffers()
  const memory = buffers.next()
  const small = [1, 2, 3].map((value) => {
    memory.fill(value)
    const piece = buffers.filled(1000)
    expect(buffers.next()).toBe(memory)
    return piece
  })
  expect(small.map((piece) => piece[0])).toEqual([1, 2, 3])
})

test('pieces that end with a copy release earlier buffers too', () => {
  const buffers = new ReadBuffers()
  const memory = new Set<unknown>()
  for (let i = 0; i < 100; i++) {
    const pieces = [read(buffers, FULL, 1), read(buffers, FULL, 2), read(buffers, 100, 3)]
    for (const piece of pieces.slice(0, 2)) memory.add(piece.buffer)
    buffers.release(pieces)
  }
  expect(memory.size).toBeLessThan(5)
})
