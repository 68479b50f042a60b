import { domainToASCII } from 'node:url'

/** Names, in some of which `*` stands for any characters but a slash. */
export class Patterns {
  readonly #all: boolean
  readonly #names: ReadonlySet<string>
  readonly #shapes: readonly RegExp[]

  /** `'*'` alone includes everything. */
  constructor(patterns: readonly string[]) {
    this.#all = patterns.includes('*')
    this.#names = new Set(patterns)
    this.#shapes = patterns.filter((pattern) => pattern.includes('*')).map(shapeOf)
  }

  include(name: string): boolean {
    const lower = name.toLowerCase()
    return this.#all || this.#names.has(lower) || this.#shapes.some((shape) => shape.test(lower))
  }
}

function shapeOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^/]*')}$`)
}

/** The name in a `Host` header, or in what a user calls a host: without port, in lower case. */
export function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

/** `*.example.com` is the only form with a `*`, apart from a `*` alone. */
const HOST = /^(\*\.)?([a-z\d_-]+\.)*[a-z\d_-]+$|^\[[\da-f:.]+\]$/

/**
 * A host as `Host` headers name it: without protocol, path and port, and international names in ASCII.
 * `undefined` for what no header can match.
 */
export function hostPattern(given: string): string | undefined {
  const host = given
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/, '')
  if (host === '*') return host
  if (given.includes('://') && !/^\s*https?:/i.test(given)) return undefined
  const address = /^[\da-f]*:[\da-f:.]+$/.test(host) ? `[${host}]` : host
  const [wildcard, rest] = /^(\*?\.)(.*)$/.exec(hostName(address))?.slice(1) ?? ['', hostName(address)]
  const name = rest!.startsWith('[') ? rest! : domainToASCII(rest!)
  const pattern = `${wildcard === '' ? '' : '*.'}${name}`
  return name !== '' && HOST.test(pattern) ? pattern : undefined
}

/** Also extensions and desktop programs: `chrome-extension://...`, `tauri://localhost`, `app://*`. */
const ORIGIN = /^([a-z][a-z\d+.-]*):\/\/([^/\s]*)$/
/** Of the web, a `*` is a whole name in front, or the port: `https://app.example*` would let strangers in. */
const WEB_HOST = /^(\*\.)?([^*]+?)(:\*)?$/
const WEB = ['http', 'https']

/** An origin as `Origin` headers name it. `undefined` for what no header can match. */
export function originPattern(given: string): string | undefined {
  const origin = given
    .trim()
    .toLowerCase()
    .replace(/\/+$/, (slashes) => (slashes.length > 1 ? slashes : ''))
  if (origin === '*' || origin === 'null') return origin
  const [, protocol = '', host = ''] = ORIGIN.exec(origin) ?? []
  if (protocol === '') return undefined
  return WEB.includes(protocol) ? webOrigin(protocol, host) : origin
}

function webOrigin(protocol: string, host: string): string | undefined {
  const [, wildcard = '', name = '', anyPort = ''] = WEB_HOST.exec(host) ?? []
  const url = URL.canParse(`${protocol}://${name}`) ? new URL(`${protocol}://${name}`) : undefined
  // Whatever the address has beside a host and a port is in no header.
  if (url?.href !== `${protocol}://${url?.host}/` || (anyPort !== '' && /:\d*$/.test(name))) return undefined
  return `${protocol}://${wildcard}${url.host}${anyPort}`
}
