import { describe, expect, test } from 'vitest'
import { array } from '../../src/models/gguf/writer.ts'
import type { NativeScanResult, NativeStringScan } from '../../src/native/contract.ts'
import { binding, GREEDY } from '../support/native-models.ts'

const { StringScan } = binding
const HEAD_BYTES = 16 // array's own, in front of its strings

const strings = (...texts: (string | Uint8Array)[]) => array('string', texts).subarray(HEAD_BYTES)
const distinct = (count: number, maxBytes = 100) => new StringScan('distinct', count, maxBytes)
const pairs = (count: number, maxBytes = 100) => new StringScan('pairs', count, maxBytes)

/** As a file is read: what was not taken stands at the start of the next window. */
function scanAll(scan: NativeStringScan, windows: readonly Uint8Array[]): NativeScanResult {
  let left = Buffer.alloc(0)
  let scanned: NativeScanResult = { index: 0, bytes: 0 }
  for (const window of windows) {
    left = Buffer.concat([left, window])
    scanned = scan.scan(left)
    if (scanned.problem) return scanned
    left = left.subarray(scanned.bytes)
  }
  return scanned
}

describe('StringScan', () => {
  const mixed = ['a', '', 'ünï', 'a b', 'twelve bytes', 'ab', '', 'x'.repeat(40)]

  test('reads whole strings only, wherever a window ends', () => {
    const bytes = strings(...mixed)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scan = distinct(mixed.length)
      const { index, bytes: taken, problem } = scan.scan(bytes.subarray(0, cut))
      expect(problem).toBeUndefined()
      expect(taken).toBe(strings(...mixed.slice(0, index)).length)
      expect(strings(...mixed.slice(0, index + 1)).length > cut || index === mixed.length).toBe(true)
      expect(scan.scan(bytes.subarray(taken))).toEqual({ index: mixed.length, bytes: bytes.length - taken })
    }
  })

  test('finds a problem in a later window as in the same one', () => {
    const bytes = strings('one', 'two two', 'three', 'two two', 'four')
    for (let cut = 0; cut <= bytes.length; cut++) {
      const windows = [bytes.subarray(0, cut), bytes.subarray(cut)]
      expect(scanAll(distinct(5), windows)).toMatchObject({ index: 3, problem: 'repeated' })
    }
  })

  test('does not read past the last string', () => {
    const bytes = strings('a', 'b', 'a')
    expect(distinct(2).scan(bytes)).toEqual({ index: 2, bytes: 18 })
    expect(distinct(0).scan(bytes)).toEqual({ index: 0, bytes: 0 })
  })

  test.each<[string, string[], Partial<NativeScanResult>]>([
    ['equal ones', ['a', 'b', 'a'], { index: 2, bytes: 18, problem: 'repeated' }],
    ['ones equal up to a zero byte', ['a', 'a\0b'], { index: 1, problem: 'repeated' }],
    ['ones equal up to a zero byte, the longer one first', ['a\0b', 'a'], { index: 1, problem: 'repeated' }],
    ['ones of which one begins the other', ['a', 'ab', 'a ', 'abcdefgh', 'abcdefghi'], { index: 5 }],
    ['empty ones, which llama.cpp renames', ['', '', '\0', '\0x'], { index: 4 }],
    ['one that is too long', ['a', 'x'.repeat(100), 'x'.repeat(101)], { index: 2, problem: 'long' }],
  ])('distinguishes distinct strings from %s', (_, texts, told) => {
    expect(distinct(texts.length).scan(strings(...texts))).toMatchObject(told)
    if (!told.problem) expect(distinct(texts.length).scan(strings(...texts)).problem).toBeUndefined()
  })

  test.each<[string, string]>([
    ['no space', 'ab'],
    ['only a space', ' '],
    ['nothing', ''],
    ['a space in front', ' ab'],
    ['a zero byte for a space', 'a\0b'],
  ])('refuses a pair that has %s', (_, text) => {
    const scanned = pairs(3).scan(strings('a b', text, 'a b'))
    expect(scanned).toEqual({ index: 1, bytes: 11, problem: 'single' })
  })

  test('accepts pairs that repeat, consist of spaces, or end the text', () => {
    expect(pairs(4).scan(strings('a b', 'a b', '  ', 'a '))).toEqual({ index: 4, bytes: 42 })
  })

  test('distinguishes 300,000 strings, and finds the first one repeated', () => {
    const texts = Array.from({ length: 300_000 }, (_, i) => `token ${i}`)
    const scan = distinct(texts.length + 1)
    expect(scan.scan(array('string', texts).subarray(HEAD_BYTES)).index).toBe(texts.length)
    expect(scan.scan(strings('token 0'))).toEqual({ index: texts.length, bytes: 0, problem: 'repeated' })
  })

  test('allocates no memory for a claimed count or length', () => {
    const before = process.memoryUsage().rss
    const scans = Array.from({ length: 64 }, () => distinct(2 ** 53, 2 ** 53))
    const endless = Buffer.alloc(24, 0xff)
    for (const scan of scans) {
      expect(scan.scan(strings('a'))).toEqual({ index: 1, bytes: 9 })
      expect(scan.scan(endless)).toEqual({ index: 1, bytes: 0 })
      for (const length of [17n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 8n]) {
        endless.writeBigUInt64LE(length)
        expect(scan.scan(endless)).toEqual({ index: 1, bytes: 0 })
      }
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20)
  })

  test('refuses wrong arguments, and still works', () => {
    const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' })
    const Loose = StringScan as unknown as new (...values: unknown[]) => NativeStringScan
    for (const rule of ['', 'Pairs', 'both', 1, null, undefined, {}, Symbol('x')])
      expect(() => new Loose(rule, 1, 1)).toThrow(refused)
    for (const count of [-1, 0.5, NaN, Infinity, 2 ** 54, '1', null, undefined, {}, 1n]) {
      expect(() => new Loose('pairs', count, 1)).toThrow(refused)
      expect(() => new Loose('pairs', 1, count)).toThrow(refused)
    }
    const scan = distinct(1)
    const { scan: loose } = scan as unknown as { scan: (window?: unknown) => unknown }
    for (const window of [
      undefined,
      null,
      1,
      'a',
      [],
      {},
      new ArrayBuffer(9),
      new Int8Array(9),
      new DataView(new ArrayBuffer(9)),
    ])
      expect(() => loose.call(scan, window)).toThrow(refused)
    for (const foreign of [{}, pairs, null, new binding.Sampler(8, GREEDY)])
      expect(() => loose.call(foreign, strings('a'))).toThrow()
    const gone = strings('a').slice()
    const detached = new Uint8Array(gone)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    expect(scan.scan(detached)).toEqual({ index: 0, bytes: 0 })
    expect(scan.scan(gone)).toEqual({ index: 1, bytes: 9 })
  })
})
