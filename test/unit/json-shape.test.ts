import { describe, expect, test } from 'vitest'
import { type JsonLimits, JsonShape, parseWithin } from '../../src/core/json-shape.ts'

const LIMITS: JsonLimits = { depth: 3, parts: 6, numbers: 4 }
const refuse = (what: string) => new RangeError(what)
const parse = (text: string) => parseWithin(Buffer.from(text), LIMITS, refuse)

describe('untrusted JSON', () => {
  test.each([
    ['', '{"a":[{"b":1}]}'],
    ['behind a byte order mark', '\uFEFF{"a":[{"b":1}]}'],
    ['with marks in its texts', '{"[{,\\"":"]},[{\\\\"}'],
    ['of as many numbers as may be', '[1,2,3,4,5,6,7,8,9,0,null]'],
  ])('within its limits is parsed (%s)', (_, text) => {
    expect(parse(text)).toEqual(JSON.parse(text.replace('\uFEFF', '')))
  })

  test.each([
    ['nested arrays and objects', '[[[[]]]]', 'more than 3 nested arrays and objects'],
    ['names and strings', '{"a":"b","c":"d","e":"f"}', 'more than 6 names, strings, arrays and objects'],
    ['arrays and objects', '[[],{},[],{},[],{}]', 'more than 6 names, strings, arrays and objects'],
    ['numbers', `[${'1,'.repeat(11)}1]`, 'more than 4 numbers'],
  ])('with more %s than allowed is refused', (_, text, what) => {
    expect(() => parse(text)).toThrow(new RangeError(what))
  })

  test('is counted before any of it is parsed', () => {
    expect(() => parse('[[[[ and no more')).toThrow(RangeError)
    expect(() => parse('[[[ and no more')).toThrow(SyntaxError)
  })

  test('counts the same wherever its pieces are cut', () => {
    const text = Buffer.from('{"a\\"[[[[":["\\\\",{"b,,,,,,,,,,,":1}]}')
    for (let cut = 0; cut <= text.length; cut++) {
      const add = (limits: JsonLimits) => {
        const shape = new JsonShape(limits, refuse)
        shape.add(text.subarray(0, cut))
        shape.add(text.subarray(cut))
      }
      add({ depth: 3, parts: 6, numbers: 0 })
      expect(() => add({ depth: 2, parts: 6, numbers: 0 })).toThrow(RangeError)
      expect(() => add({ depth: 3, parts: 5, numbers: 0 })).toThrow(RangeError)
    }
  })
})
