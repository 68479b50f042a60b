import { describe, expect, test } from 'vitest'
import { hostName, hostPattern, originPattern, Patterns } from '../../src/server/patterns.ts'

describe('hostPattern()', () => {
  test.each([
    ['models.example', 'models.example'],
    ['Models.Example', 'models.example'],
    ['mybox:4891', 'mybox'],
    ['http://mybox:4891/', 'mybox'],
    ['https://models.example/v1', 'models.example'],
    ['models.example.', 'models.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['*.models.example', '*.models.example'],
    ['.models.example', '*.models.example'],
    ['my_box', 'my_box'],
    ['10.0.0.7:80', '10.0.0.7'],
    ['[::1]:4891', '[::1]'],
    ['::1', '[::1]'],
    ['*', '*'],
  ])('reads %j as %j', (given, pattern) => expect(hostPattern(given)).toBe(pattern))

  test.each([
    '',
    ' ',
    'my box',
    'http://',
    '*models.example',
    'models.*',
    'a*b.example',
    'app://x',
    'a,b',
    '*.',
  ])('reads nothing from %j, which no header can match', (given) =>
    expect(hostPattern(given)).toBe(undefined),
  )
})

describe('originPattern()', () => {
  test.each([
    ['https://app.example', 'https://app.example'],
    ['https://App.Example/', 'https://app.example'],
    ['https://app.example:443', 'https://app.example'],
    ['http://app.example:80', 'http://app.example'],
    ['http://app.example:443', 'http://app.example:443'],
    ['http://localhost:*', 'http://localhost:*'],
    ['https://*.app.example', 'https://*.app.example'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
    ['http://[0:0:0:0:0:0:0:1]:3000', 'http://[::1]:3000'],
    ['http://[::1]:*', 'http://[::1]:*'],
    ['http://localhost:080', 'http://localhost'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://*.bücher.example:8443', 'https://*.xn--bcher-kva.example:8443'],
    ['app://obsidian.md', 'app://obsidian.md'],
    ['app://x*', 'app://x*'],
    ['chrome-extension://*', 'chrome-extension://*'],
    ['file://', 'file://'],
    ['null', 'null'],
    ['*', '*'],
  ])('reads %j as %j', (given, pattern) => expect(originPattern(given)).toBe(pattern))

  test.each([
    'app.example',
    'https://app.example*',
    'https://user@app.example',
    'https://app.example?x=1',
    'https://app.example#x',
    'http://localhost:99999',
    'http://localhost:80:*',
    'http://[zz]',
    'http://[::1]junk:3',
    'https://*',
    'http://',
    'https://app.example/page',
    'https://a b',
  ])('reads nothing from %j', (given) => expect(originPattern(given)).toBe(undefined))
})

describe('Patterns', () => {
  test.each([
    [['*.models.example'], 'a.models.example', true],
    [['*.models.example'], 'a.b.models.example', true],
    [['*.models.example'], 'models.example', false],
    [['*.models.example'], 'amodels.example', false],
    [['*.models.example'], 'a.models.example.evil.example', false],
    [['http://localhost:*'], 'http://localhost:3000', true],
    [['http://localhost:*'], 'http://localhost:3000/x', false],
    [['app://x*'], 'app://xyz', true],
    [['app://x.y'], 'app://x-y', false],
    [['models.example'], 'MODELS.example', true],
    [[], 'models.example', false],
    [['*'], 'anything', true],
  ])('%j and %j: %j', (patterns, name, isIncluded) => {
    expect(new Patterns(patterns).include(name)).toBe(isIncluded)
  })
})

test('hostName() leaves out the port and the dot at the end', () => {
  expect(hostName('Localhost.:4891')).toBe('localhost')
  expect(hostName('[::1]:80')).toBe('[::1]')
})
