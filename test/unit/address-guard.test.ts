import dns from 'node:dns'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { AddressGuard } from '../../src/models/download/address-guard.ts'
import { nearnessOf, nearnessOfHost } from '../../src/models/download/nearness.ts'

const [INTERNET, NETWORK, LINK, MACHINE] = [0, 1, 2, 3]

describe('the distance of an address', () => {
  test.each([
    [MACHINE, ['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::1', '::']],
    [
      LINK,
      ['169.254.169.254', '168.63.129.16', '224.0.0.1', '239.255.255.255', '255.255.255.255', '240.0.0.1'],
    ],
    [LINK, ['fe80::1', 'fe80::1%eth0', 'febf::1', 'ff02::1', '100::1']],
    [NETWORK, ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.255.255']],
    [NETWORK, ['fc00::1', 'fdff::1', 'fec0::1', '198.18.0.1', '192.0.0.1', '64:ff9b:1::1', '2001::1']],
    [INTERNET, ['1.1.1.1', '93.184.216.34', '172.32.0.1', '172.15.0.1', '100.128.0.1', '11.0.0.0']],
    [
      INTERNET,
      [
        '168.63.129.15',
        '168.63.129.17',
        '2a00::5efe:8.8.8.8',
        '2a00::5eff:10.0.0.1',
        '2a00::1:5efe:10.0.0.1',
      ],
    ],
    [INTERNET, ['126.255.255.255', '128.0.0.1', '169.253.0.1', '223.255.255.255', '192.169.0.1']],
    [INTERNET, ['2606:4700::1111', '2001:4860:4860::8888', '2a00::1', '64:ff9b::1.1.1.1', '::ffff:8.8.8.8']],
  ])('%i: %j', (nearness, addresses) => {
    for (const address of addresses) expect(nearnessOf(address), address).toBe(nearness)
  })

  test.each(['127.0.0.1', '10.1.2.3', '169.254.169.254', '192.168.0.7', '100.64.9.9', '0.0.0.0'])(
    'of IPv6 is that of the %s that is written in it',
    (address) => {
      const bytes = address.split('.').map(Number)
      const hex = [0, 2].map((at) => (bytes[at]! * 256 + bytes[at + 1]!).toString(16)).join(':')
      for (const prefix of ['::ffff:', '::', '::ffff:0:', '64:ff9b::'])
        for (const form of [prefix + address, prefix + hex])
          expect(nearnessOf(form), form).toBe(nearnessOf(address))
      expect(nearnessOf(`2002:${hex}::1`)).toBe(nearnessOf(address))
      for (const prefix of [
        '::5efe:',
        '::200:5efe:',
        '2a00::5efe:',
        '2a00:1:2:3:0:5efe:',
        '2a00:1:2:3:200:5efe:',
      ])
        expect(nearnessOf(prefix + hex), prefix).toBe(nearnessOf(address))
    },
  )

  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://0177.0.0.01/',
    'http://127.1/',
    'http://0/',
    'http://127.0.0.1./',
    'http://１２７.0.0.1/',
    'http://①②⑦.0.0.1/',
    'http://%31%32%37.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[0:0:0:0:0:ffff:7f00:1]/',
    'http://[::7f00:1]/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://any.localhost:80/',
    'http://user@localhost/',
  ])('is the same in every notation: %s is this machine', (url) => {
    expect(nearnessOfHost(new URL(url))).toBe(MACHINE)
  })

  test('is unknown for a host name', () => {
    for (const url of ['http://localhost.example/', 'http://notlocalhost/', 'http://127.0.0.1.example/'])
      expect(nearnessOfHost(new URL(url))).toBeUndefined()
  })
})

const url = (host: string) => new URL(`http://${host}/model.gguf`)
const refused = expect.objectContaining({ name: 'DownloadError', code: 'ERR_DOWNLOAD', retry: false })

/** What a guard lets through of what a name means. */
async function meaning(guard: AddressGuard, name: string, addresses: readonly string[]) {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  vi.spyOn(dns, 'lookup').mockImplementation(((_: string, __: object, done: (...told: unknown[]) => void) =>
    done(null, found)) as never)
  return new Promise((resolve, reject) => {
    guard.lookup(url(name))(name, { all: true }, (error, told) => (error ? reject(error) : resolve(told)))
  })
}
afterEach(() => vi.restoreAllMocks())

describe('a server that the user names', () => {
  test.each(['127.0.0.1', '10.0.0.1', '93.184.216.34', '[::1]', 'localhost', '169.254.169.254'])(
    'may be %s',
    (host) => {
      new AddressGuard().enter(url(host), false)
      new AddressGuard().enter(url(host), true)
    },
  )

  test('may be on a private network under a host name', async () => {
    expect(await meaning(new AddressGuard(), 'mirror.corp', ['10.0.0.7'])).toEqual([
      { address: '10.0.0.7', family: 4 },
    ])
  })

  test('on the internet may redirect to the internet only, by addresses and by names', async () => {
    const guard = new AddressGuard()
    guard.enter(url('models.example'), false)
    guard.reached(url('models.example'), '93.184.216.34')
    guard.enter(url('1.1.1.1'), false)
    for (const near of [
      '127.0.0.1',
      '10.0.0.1',
      '[::ffff:10.0.0.1]',
      'localhost',
      '169.254.169.254',
      '[ff02::1]',
    ])
      expect(() => guard.enter(url(near), false), near).toThrow(refused)
    for (const near of ['127.0.0.1', '10.0.0.1', '::ffff:192.168.0.1', 'fe80::1', 'fd00::1', '100.64.0.1']) {
      await expect(meaning(guard, 'rebound.example', [near])).rejects.toEqual(refused)
      expect(() => guard.reached(url('rebound.example'), near)).toThrow(refused)
    }
    expect(await meaning(guard, 'mixed.example', ['10.0.0.1', '1.1.1.1', '::1'])).toEqual([
      { address: '1.1.1.1', family: 4 },
    ])
  })

  test('may not resolve to something nearer the next time', async () => {
    const guard = new AddressGuard()
    for (const attempt of [1, 2]) {
      guard.enter(url('models.example'), false)
      const told = meaning(guard, 'models.example', [attempt === 1 ? '1.1.1.1' : '127.0.0.1'])
      if (attempt === 1) await told
      else await expect(told).rejects.toEqual(refused)
      if (attempt === 1) guard.reached(url('models.example'), '1.1.1.1')
    }
  })

  test('is asked again if the connection closed before its address was known', () => {
    const guard = new AddressGuard()
    const closed = expect.objectContaining({ code: 'ERR_DOWNLOAD', retry: true })
    expect(() => guard.reached(url('models.example'), undefined)).toThrow(closed)
    guard.reached(url('models.example'), '127.0.0.1')
  })

  test('on a private network may redirect there and farther, not nearer', () => {
    const guard = new AddressGuard()
    guard.enter(url('192.168.0.2'), false)
    guard.reached(url('192.168.0.2'), '192.168.0.2')
    for (const host of ['10.0.0.1', '1.1.1.1']) guard.enter(url(host), false)
    for (const host of ['127.0.0.1', '169.254.169.254'])
      expect(() => guard.enter(url(host), false)).toThrow(refused)
  })

  test('on this machine may redirect anywhere', () => {
    const guard = new AddressGuard()
    guard.enter(url('127.0.0.1:8080'), false)
    guard.reached(url('127.0.0.1:8080'), '127.0.0.1')
    for (const host of ['127.0.0.1:9090', '10.0.0.1', '169.254.1.1', '1.1.1.1']) guard.enter(url(host), false)
  })

  test('behind a proxy is judged by its URL, where a name counts as the internet', () => {
    const guard = new AddressGuard()
    guard.enter(url('models.example'), true)
    guard.enter(url('other.example'), true)
    expect(() => guard.enter(url('127.0.0.1'), true)).toThrow(
      /127\.0\.0\.1 is on this machine, where models\.example/,
    )
    const inside = new AddressGuard()
    inside.enter(url('10.0.0.1'), true)
    inside.enter(url('10.0.0.2'), true)
  })
})

test('a server that a catalog names must be on the internet', async () => {
  for (const host of ['127.0.0.1', '10.0.0.1', 'localhost', '[::]'])
    expect(() => new AddressGuard('the catalog').enter(url(host), false), host).toThrow(
      /the catalog must not lead/,
    )
  await expect(meaning(new AddressGuard('the catalog'), 'a.example', ['127.0.0.1'])).rejects.toEqual(refused)
  new AddressGuard('the catalog').enter(url('models.example'), false)
})
