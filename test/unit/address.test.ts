import { expect, test } from 'vitest'
import { basicAuth, checkUrl, shown } from '../../src/models/download/address.ts'

test.each([
  ['https://user:pass@host:1/a/b?signature=1#x', 'https://host:1/a/b'],
  ['https://us@er:p@ss@host/', 'https://host/'],
  ['http://host/a@b', 'http://host/a@b'],
  ['user:pass@host:3128', 'host:3128'],
  ['ftp://user:pass@host', 'ftp://host'],
  ['nonsense', 'nonsense'],
  ['', ''],
])('%s is shown as %s', (url, expected) => {
  expect(shown(url)).toBe(expected)
})

test('user and password of a URL are decoded before they are sent', () => {
  const sent = (url: string) => Buffer.from(basicAuth(new URL(url))?.slice(6) ?? '', 'base64').toString()
  expect(sent('https://user:p%40ss@host/')).toBe('user:p@ss')
  expect(sent('https://user@host/')).toBe('user:')
  expect(sent('https://user:100%@host/')).toBe('user:100%')
  expect(basicAuth(new URL('https://host/'))).toBeUndefined()
})

test.each(['', 'nonsense', 'ftp://host/x', 'file:///etc/passwd', 'http://', 'https://host:99999/'])(
  '%j is not a valid URL',
  (text) => {
    expect(() => checkUrl(text)).toThrow(expect.objectContaining({ code: 'ERR_DOWNLOAD', retry: false }))
  },
)
