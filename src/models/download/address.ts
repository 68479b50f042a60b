import { DownloadError } from '../../core/errors.ts'

/**
 * An address that a model can be fetched from.
 * @throws {DownloadError} `ERR_DOWNLOAD` if it is neither http nor https
 */
export function checkUrl(text: string, base?: URL): URL {
  const parsed = URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (parsed?.protocol === 'https:' || parsed?.protocol === 'http:') return parsed
  const url = shown(text)
  throw new DownloadError(`${JSON.stringify(url)} is not an http or https URL`, { url, retry: false })
}

/**
 * The parts of an address that logs, errors and files may contain: not the user and password, and not the
 * query, which may be a signature.
 */
export function shown(url: string | URL): string {
  return String(url)
    .replace(/^([^/?#]*\/\/)?[^/?#]*@/, '$1')
    .replace(/[?#].*$/s, '')
}

/** The header's value for the user and password in an address; `undefined` if there are none. */
export function basicAuth({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a literal percent sign
  }
}
