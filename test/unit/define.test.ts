import { describe, expect, test } from 'vitest'
import { boolean, define, integer, Option, oneOf, string } from '../../src/options/define.ts'

type Given = { count?: number | undefined; name?: string | undefined; how?: 'fast' | 'slow' | undefined }

const GROUP = define<Given>()(
  { count: integer(1, 10).default(3), name: string(), how: oneOf('fast', 'slow').default('fast') },
  { color: 'It is an option of paint().' },
)

describe('a group of options', () => {
  test('reads given values, and replaces missing ones and undefined by the defaults', () => {
    expect(GROUP.resolve(undefined)).toEqual({ count: 3, name: undefined, how: 'fast' })
    expect(GROUP.resolve({ count: undefined, name: 'a', how: 'slow' })).toEqual({
      count: 3,
      name: 'a',
      how: 'slow',
    })
  })

  test('refuses a bad value by the name of its option', () => {
    expect(() => GROUP.resolve({ count: 11 })).toThrow('an integer from 1 to 10 for "count"')
    expect(() => GROUP.resolve({ how: 'else' as 'fast' })).toThrow('"fast" or "slow" for "how"')
    expect(() => GROUP.resolve({ count: 11 }, 'parts[0]')).toThrow(/"parts\[0\]\.count"/)
  })

  test('refuses unknown options, and says where those of other calls belong', () => {
    expect(() => GROUP.resolve({ Count: 1 } as Given)).toThrow('Did you mean "count"?')
    expect(() => GROUP.resolve({ color: 1 } as Given)).toThrow('It is an option of paint().')
    for (const wrong of [null, [], 'text', 7])
      expect(() => GROUP.resolve(wrong as never)).toThrow(/an object/)
  })

  test('ignores inherited properties', () => {
    expect(GROUP.resolve(Object.create({ Count: 1 }) as Given)).toMatchObject({ count: 3 })
  })

  test('needs an option for each name of its type, and has no other', () => {
    // @ts-expect-error `how` is missing
    define<Given>()({ count: integer(1), name: string() })
    expect(Object.keys(GROUP.table)).toEqual(['count', 'name', 'how'])
  })
})

test('a default does not replace false, 0 or null', () => {
  expect(boolean().default(true).read('on', false)).toBe(false)
  expect(integer(0).default(5).read('count', 0)).toBe(0)
  const nullable = new Option((_, given) => given as string | null | undefined).default('a')
  expect(nullable.read('name', undefined)).toBe('a')
  expect(nullable.read('name', null)).toBeNull()
})
