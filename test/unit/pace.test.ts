import { expect, test } from 'vitest'
import { Pace } from '../../src/engine/pace.ts'

test('so much of a prompt goes beside streams that a step takes about three times one of theirs', () => {
  const pace = new Pace()
  for (let i = 0; i < 50; i++) pace.took(512, 0, 512) // 1 ms a token
  for (let i = 0; i < 50; i++) pace.took(20, 8, 0)
  expect(pace.beside).toBe(40)
  for (let i = 0; i < 50; i++) pace.took(60, 8, 40)
  expect(pace.beside).toBe(40)
})

test('it is never nothing, so that no prompt waits for ever', () => {
  const pace = new Pace()
  expect(pace.beside).toBeGreaterThan(0)
  pace.took(1000, 0, 16)
  pace.took(0.01, 1, 0)
  expect(pace.beside).toBe(16)
})
