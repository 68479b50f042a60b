import { BlockList, isIP } from 'node:net'

/**
 * How near to this machine an address is: 0 is the internet; the nearer, the fewer servers may send us there.
 */
export type Nearness = 0 | 1 | 2 | 3

/** What the numbers mean, for messages. */
export const PLACES: Readonly<Record<Nearness, string>> = {
  0: 'the internet',
  1: 'a private network',
  2: 'the local link, or a group of machines',
  3: 'this machine',
}

/** IPv4 and IPv6 blocks outside the internet. Source: IANA's registries of special-purpose addresses. */
const BLOCKS: Readonly<
  Record<1 | 2 | 3, { readonly v4: readonly string[]; readonly v6: readonly string[] }>
> = {
  1: {
    v4: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '192.0.0.0/24', '198.18.0.0/15'],
    v6: ['fc00::/7', 'fec0::/10', '64:ff9b:1::/48', '2001::/32', '5f00::/16'],
  },
  // Clouds serve their machines at link-local addresses and 168.63.129.16 (Azure); 240.0.0.0/4 has broadcast.
  2: {
    v4: ['169.254.0.0/16', '168.63.129.16/32', '224.0.0.0/4', '240.0.0.0/4'],
    v6: ['fe80::/10', 'ff00::/8', '100::/64'],
  },
  3: { v4: ['127.0.0.0/8', '0.0.0.0/8'], v6: ['::1/128', '::/128'] },
}

/** Prefixes of IPv6 addresses that stand for an IPv4 address: mapped, compatible, translated, and NAT64. */
const EMBEDDING = ['::ffff:', '::', '::ffff:0:', '64:ff9b::'] as const

const LISTS = ([3, 2, 1] as const).map((nearness) => ({ nearness, list: listOf(BLOCKS[nearness]) }))

function listOf({ v4, v6 }: (typeof BLOCKS)[1]): BlockList {
  const list = new BlockList()
  for (const block of v4) {
    const [address, bits] = parts(block)
    list.addSubnet(address, bits, 'ipv4')
    for (const prefix of EMBEDDING) list.addSubnet(prefix + address, 96 + bits, 'ipv6')
    const hex = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
    list.addSubnet(`2002:${hex[0]}${hex[1]}:${hex[2]}${hex[3]}::`, 16 + bits, 'ipv6') // 6to4
  }
  for (const block of v6) list.addSubnet(...parts(block), 'ipv6')
  return list
}

function parts(block: string): [address: string, bits: number] {
  const [address = '', bits] = block.split('/')
  return [address, Number(bits)]
}

/** The nearness of an IP address, with or without a zone at its end. */
export function nearnessOf(address: string): Nearness {
  const plain = address.replace(/%.*$/, '')
  const version = isIP(plain)
  if (version === 0) return 0
  const tunnelled = version === 6 ? isatap(plain) : undefined
  const family = version === 6 ? 'ipv6' : 'ipv4'
  const nearness = LISTS.find(({ list }) => list.check(plain, family))?.nearness ?? 0
  return tunnelled === undefined ? nearness : nearer(nearness, nearnessOf(tunnelled))
}

const nearer = (one: Nearness, other: Nearness) => (one > other ? one : other)

/**
 * The IPv4 address in the second half of an ISATAP address (`fe80::5efe:10.0.0.1`), whose prefix may be any.
 */
function isatap(address: string): string | undefined {
  const [start = '', end] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [start, end ?? ''].map((text) => (text === '' ? [] : text.split(':')))
  const gap = Array<string>(8 - first!.length - last!.length).fill('0')
  const groups = [...first!, ...gap, ...last!].map((group) => Number.parseInt(group, 16))
  if (groups[5] !== 0x5efe || (groups[4]! & ~0x200) !== 0) return undefined
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join('.')
}

/**
 * The nearness of the host in an address, which `URL` has normalised (`0x7f.1` is `127.0.0.1` there);
 * `undefined` if only the system knows what a name means.
 */
export function nearnessOfHost({ hostname }: URL): Nearness | undefined {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return nearnessOf(host)
  return /(^|\.)localhost\.?$/i.test(host) ? 3 : undefined
}
