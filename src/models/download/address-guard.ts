import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { DownloadError } from '../../core/errors.ts'
import { shown } from './address.ts'
import { type Nearness, nearnessOf, nearnessOfHost, PLACES } from './nearness.ts'

/**
 * Keeps a download from being led to places that it has no business in: what a server of the internet says, by a redirect or by what
 * its name means, must not make us ask this machine, or others of its network. Whom the user names may be anywhere; from there it
 * goes as near as that was, and no nearer. One guard for all attempts, as a name may mean something else the next time.
 */
export class AddressGuard {
  /** `undefined` until the server that the user named is known. */
  #most: Nearness | undefined
  /** Who says where to go. */
  #teller: string | undefined

  /** `teller`: who it is, other than the user, that names the first address. */
  constructor(teller?: string) {
    this.#teller = teller
    if (teller !== undefined) this.#most = 0
  }

  /**
   * To be asked before `url` is.
   * @throws {DownloadError} `ERR_DOWNLOAD` where it must not be
   */
  enter(url: URL, proxied: boolean): void {
    const near = nearnessOfHost(url)
    if (near !== undefined && !this.#allows(near)) throw this.#refusal(url, near)
    this.#teller ??= url.host
    // Behind a proxy, that knows what the name means, and nobody else.
    if (proxied) this.#most ??= near ?? 0
  }

  /** For `url`: what its name means, as far as it may be asked. */
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
      // Loaded when it is needed, as the rest of what downloads need.
      void import('node:dns').then(({ default: dns }) => dns.lookup(name, { ...options, all: true }, answer))
    }
  }

  /**
   * Whom the connection has reached.
   * @throws {DownloadError} `ERR_DOWNLOAD` where that must not be
   */
  reached(url: URL, address: string | undefined): void {
    if (address === undefined) {
      const message = `${url.host} cannot be read: the connection was closed` // whom it had reached nobody knows
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
