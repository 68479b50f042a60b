import { homedir } from 'node:os'
import { join } from 'node:path'
import { DownloadError, messageOf } from '../../core/errors.ts'
import { readBytes } from '../../core/regular-file.ts'
import { checkUrl, shown } from '../download/address.ts'

/** The server of the repositories, and what opens private ones. */
export type HubAccess = { readonly endpoint: URL; readonly token: string | undefined }

const ENDPOINT = 'https://huggingface.co'

/** What the environment says. @throws {DownloadError} `ERR_DOWNLOAD` if it is not usable */
export async function hubAccess(): Promise<HubAccess> {
  return { endpoint: endpoint(), token: await token() }
}

/** The address of `path`, whose parts are encoded already, on the server. */
export function hubUrl({ endpoint }: HubAccess, path: string, query = ''): string {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`
  url.search = query
  url.hash = ''
  return url.href
}

function endpoint(): URL {
  const named = process.env.HF_ENDPOINT || ENDPOINT
  try {
    return checkUrl(/^[a-z][a-z\d+.-]*:\/\//i.test(named) ? named : `${schemeFor(named)}://${named}`)
  } catch (error) {
    const message = `HF_ENDPOINT does not name a server: ${messageOf(error).replace(/\.$/, '')}`
    throw new DownloadError(message, { url: shown(named), retry: false, cause: error })
  }
}

/** What listens on this machine seldom has a certificate. */
const schemeFor = (host: string) => (/^(localhost|127\.|\[::1\])/i.test(host) ? 'http' : 'https')

const MOST_BYTES = 64 * 1024

/** From the variables and the file that Hugging Face's own programs read. */
async function token(): Promise<string | undefined> {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN } = process.env
  const found = (HF_TOKEN || HUGGING_FACE_HUB_TOKEN || (await storedToken()))?.trim()
  if (!found) return undefined
  if (/^[\x21-\x7e]+$/.test(found)) return found
  const message = 'the token for Hugging Face (HF_TOKEN) has characters that no token has'
  throw new DownloadError(message, { url: shown(process.env.HF_ENDPOINT || ENDPOINT), retry: false })
}

/** What `hf auth login` stores; without such a file there is no token. */
async function storedToken(): Promise<string | undefined> {
  const { HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env
  try {
    const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface')
    const bytes = await readBytes(HF_TOKEN_PATH || join(home, 'token'), MOST_BYTES, (why) => new Error(why))
    return bytes.toString('utf8')
  } catch {
    return undefined
  }
}
