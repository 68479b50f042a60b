import { DownloadError } from '../../core/errors.ts'

/** An address that a model can be fetched from. @throws {DownloadError} `ERR_DOWNLOAD` when it is neither http nor https */
export function checkUrl(text: string, base?: URL): URL {
  const parsed = URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (parsed?.protocol === 'https:' || parsed?.protocol === 'http:') return parsed
  const url = shown(text)
  throw new DownloadError(`${JSON.stringify(url)} is no http or https address`, { url, retry: false })
}

/**
 * What logs, errors and files may hold of an address: not the user and the password, and not the query, which may be
 * a signature.
 */
export function shown(url: string | URL): string {
  return String(url)
    .replace(/^([^/?#]*\/\/)?[^/?#]*@/, '$1')
    .replace(/[?#].*$/s, '')
}

/** The header's value for the user and the password in an address; `undefined` where there are none. */
export function basicAuth({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a per cent sign that means itself
  }
}
