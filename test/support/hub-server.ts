import { createHash } from 'node:crypto'
import { type Fault, HostileServer } from './hostile-server.ts'

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A file in the listing of a repository, as Hugging Face writes it. */
export type Sibling = {
  rfilename: string
  size?: number
  blobId?: string
  lfs?: { sha256?: string; size?: number; pointerSize?: number }
}
export type RepositoryListing = { id: string; sha: string; siblings: Sibling[]; [field: string]: unknown }

type Repository = {
  readonly revision?: string
  /** What opens it. */
  readonly token?: string
  /** Whether all may see the listing, but only those with the token get the files. */
  readonly isGated?: boolean
  /** Changes the listing, or replaces it with what is none. */
  readonly listing?: (honest: RepositoryListing) => RepositoryListing | Buffer
  /** What happens to the first requests for the listing, for the way to each file, and for the file itself. */
  readonly faults?: { readonly listing?: Fault[]; readonly way?: Fault[]; readonly file?: Fault[] }
  /**
   * What its API has: whole descriptions; descriptions without sizes and checksums, and the listing of folders; or that
   * alone.
   */
  readonly api?: 'whole' | 'bare' | 'folders'
  /** Where the files are, if that is not the second server. */
  readonly location?: string
}

/** The name of the commit that holds these files. */
const commitOf = (files: Readonly<Record<string, Buffer>>) =>
  createHash('sha1')
    .update(JSON.stringify(Object.values(files).map(sha256)))
    .digest('hex')

/**
 * Hugging Face in small: one server has the listings of repositories and the addresses of files, which lead to
 * another server with the files.
 */
export class HubServer {
  readonly front: HostileServer
  readonly files: HostileServer

  private constructor(front: HostileServer, files: HostileServer) {
    this.front = front
    this.files = files
  }

  static async start(): Promise<HubServer> {
    return new HubServer(await HostileServer.start(), await HostileServer.start())
  }

  /** For `HF_ENDPOINT`. */
  get endpoint(): string {
    return this.front.host('', { bytes: Buffer.alloc(0), faults: [] }).replace(/\/$/, '')
  }

  close(): Promise<unknown> {
    return Promise.all([this.front.close(), this.files.close()])
  }

  forget(): void {
    this.front.requests.length = 0
    this.files.requests.length = 0
  }

  /** Serves `files`, by path, as the repository `owner/repo`. */
  host(repository: string, files: Readonly<Record<string, Buffer>>, options: Repository = {}): void {
    const {
      revision = 'main',
      token,
      isGated,
      listing = (honest) => honest,
      faults = {},
      api = 'whole',
    } = options
    const commit = commitOf(files)
    const siblings = Object.entries(files).map(([rfilename, bytes]): Sibling => {
      const blobId = createHash('sha1').update(bytes).digest('hex')
      if (!rfilename.endsWith('.gguf')) return { rfilename, size: bytes.length, blobId }
      const lfs = { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 }
      return { rfilename, size: bytes.length, blobId, lfs }
    })
    const told = listing({ _id: commit.slice(0, 24), id: repository, private: false, sha: commit, siblings })
    const bearer = isGated ? undefined : token
    if (api !== 'whole') {
      const entries = siblings.map(({ rfilename: path, size, blobId: oid, lfs }) => {
        const sum = lfs && { oid: lfs.sha256, size: lfs.size, pointerSize: lfs.pointerSize }
        return { type: 'file', oid, size, path, ...(sum && { lfs: sum }) }
      })
      const folder = { type: 'directory', oid: commit, size: 0, path: 'folder' }
      const bytes = Buffer.from(JSON.stringify([folder, ...entries]))
      for (const name of [commit, revision])
        this.front.host(`api/models/${repository}/tree/${name}`, { bytes, faults: [], bearer })
    }
    if (api === 'bare' && !Buffer.isBuffer(told))
      told.siblings = told.siblings.map(({ rfilename }) => ({ rfilename }))
    if (api !== 'folders')
      this.front.host(`api/models/${repository}/revision/${revision}`, {
        bytes: Buffer.isBuffer(told) ? told : Buffer.from(JSON.stringify(told)),
        faults: faults.listing ?? [],
        bearer,
      })
    for (const [path, bytes] of Object.entries(files)) {
      const encoded = path.split('/').map(encodeURIComponent).join('/')
      const there = this.files.host(`${commit}/${encoded}`, { bytes, faults: faults.file ?? [] })
      for (const name of api === 'folders' ? [commit, revision] : [commit])
        this.front.host(`${repository}/resolve/${name}/${encoded}`, {
          bytes,
          faults: faults.way ?? [],
          bearer: token,
          location: options.location ?? there,
        })
    }
  }
}
