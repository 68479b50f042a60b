import { expect, test } from 'vitest'
import { Pace } from '../../src/scheduler/pace.ts'

test('a step with a slice of a prompt takes about two and a half times one of the streams alone', () => {
  const pace = new Pace()
  for (let i = 0; i < 50; i++) pace.took(20, 8, 0)
  pace.took(36, 8, pace.beside) // 2 ms a token
  expect(pace.beside).toBe(15)
  for (let i = 0; i < 50; i++) pace.took(20 + 2 * pace.beside, 8, pace.beside)
  expect(pace.beside).toBe(15)
})

test('the first slice of a prompt is short, whatever a whole prompt took', () => {
  const pace = new Pace()
  for (let i = 0; i < 50; i++) pace.took(512, 0, 512)
  for (let i = 0; i < 50; i++) pace.took(50, 8, 0)
  expect(pace.beside).toBe(8)
})

test('slices become shorter as the tokens of a long prompt cost more', () => {
  const pace = new Pace()
  pace.took(50, 8, 0)
  for (let price = 5; price < 20; price += 0.1) pace.took(50 + pace.beside * price, 8, pace.beside)
  expect(pace.beside).toBeLessThanOrEqual(6)
})

test('a step with a prompt may take two frames of a display if those of the streams are short', () => {
  const pace = new Pace()
  for (let i = 0; i < 50; i++) pace.took(6, 1, 0)
  for (let i = 0; i < 50; i++) pace.took(6 + 2 * pace.beside, 1, pace.beside)
  expect(pace.beside).toBe(13)
})

test('a slice is never empty, so that no prompt waits for ever', () => {
  const pace = new Pace()
  expect(pace.beside).toBeGreaterThan(0)
  pace.took(0.01, 1, 0)
  pace.took(1000, 1, 16)
  expect(pace.beside).toBe(4)
})
