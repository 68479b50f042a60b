import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { DownloadError } from '../../core/errors.ts'
import { shown } from './address.ts'
import { type Nearness, nearnessOf, nearnessOfHost, PLACES } from './nearness.ts'

/**
 * Keeps a download from being led where it has no business: a server on the internet, by a redirect or by
 * what its name means, must not make us contact this machine, or others on its network. The server that the
 * user names may be anywhere; from there, the download may go as near as that one is, and no nearer. One
 * guard serves all attempts, because a name may mean something else the next time.
 */
export class AddressGuard {
  /** `undefined` until the server that the user named is known. */
  #most: Nearness | undefined
  /** The source of the addresses, for messages. */
  #teller: string | undefined

  /** `teller` is the source of the first address, if that is not the user. */
  constructor(teller?: string) {
    this.#teller = teller
    if (teller !== undefined) this.#most = 0
  }

  /**
   * Call before `url` is contacted.
   * @throws {DownloadError} `ERR_DOWNLOAD` if it must not be
   */
  enter(url: URL, proxied: boolean): void {
    const near = nearnessOfHost(url)
    if (near !== undefined && !this.#allows(near)) throw this.#refusal(url, near)
    this.#teller ??= url.host
    // Only the proxy knows what the name means.
    if (proxied) this.#most ??= near ?? 0
  }

  /** A lookup of the name in `url` that returns only addresses that may be contacted. */
  lookup(url: URL): LookupFunction {
    return (name, options, callback) => {
      const answer = (error: Error | null, found: readonly LookupAddress[]) => {
        if (error) return callback(error, '')
        const allowed = found.filter(({ address }) => this.#allows(nearnessOf(address)))
        const [first] = allowed
        if (!first) return callback(this.#refusal(url, nearnessOf(found[0]?.address ?? '')), '')
        if (options.all) callback(null, allowed)
        else callback(null, first.address, first.family)
      }
      // Loaded on demand, like everything else that downloads need.
      void import('node:dns').then(({ default: dns }) => dns.lookup(name, { ...options, all: true }, answer))
    }
  }

  /**
   * Checks the address that the connection has reached.
   * @throws {DownloadError} `ERR_DOWNLOAD` if it must not be contacted
   */
  reached(url: URL, address: string | undefined): void {
    if (address === undefined) {
      const message = `${url.host} cannot be read: the connection was closed` // the address it had reached is unknown
      throw new DownloadError(message, { url: shown(url), retry: true })
    }
    const near = nearnessOf(address)
    this.#most ??= near
    if (!this.#allows(near)) throw this.#refusal(url, near)
  }

  #allows(near: Nearness): boolean {
    return this.#most === undefined || near <= this.#most
  }

  #refusal(url: URL, near: Nearness): DownloadError {
    const message = `${url.host} is on ${PLACES[near]}, where ${this.#teller ?? url.host} must not lead`
    return new DownloadError(message, { url: shown(url), retry: false })
  }
}
