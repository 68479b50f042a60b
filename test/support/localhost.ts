import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A certificate for localhost and 127.0.0.1, signed by itself, that nobody trusts unless told to (`NODE_EXTRA_CA_CERTS`), and its
 * key. Made with openssl, for 2020 to 2120.
 */
export const CERTIFICATE = join(import.meta.dirname, 'localhost-certificate.pem')

export const TLS = {
  cert: readFileSync(CERTIFICATE),
  key: readFileSync(join(import.meta.dirname, 'localhost-key.pem')),
}
