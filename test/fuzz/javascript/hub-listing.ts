import { parseListing } from '../../../src/models/hub/listing.ts'
import { parseHubName } from '../../../src/models/hub/name.ts'
import { typedOnly } from '../target.ts'

const hub = parseHubName('hf:owner/repo', 'name')

/** Listings of repositories as servers send them. */
export const fuzz = (data: Buffer) => typedOnly(() => parseListing(data, hub, 'https://hub.example'))

const sha = 'a'.repeat(40)
const lfs = { sha256: 'b'.repeat(64), size: 12, pointerSize: 134 }

export const seeds = () =>
  [
    { sha, siblings: [{ rfilename: 'a-Q4_0.gguf', size: 12, lfs }, { rfilename: 'README.md' }] },
    { sha, siblings: [{ rfilename: 'a/b-00001-of-00002.gguf', lfs }], gguf: { total: 5 }, tags: ['gguf'] },
  ].map((content) => Buffer.from(JSON.stringify(content)))
