import type { RepositoryListing, Sibling } from '../support/hub-server.ts'

/** Changes a listing; `file` is one of the model's files in it. */
type Spoil = (listing: RepositoryListing, file: Sibling) => RepositoryListing | Buffer

const withFile =
  (change: (file: Sibling) => void): Spoil =>
  (listing, file) => {
    change(file)
    return listing
  }
const named = (name: string) =>
  withFile((file) => {
    file.rfilename = name
  })
const sized = (size: unknown, other: unknown = size) =>
  withFile((file) => Object.assign(file, { size, lfs: { ...file.lfs, size: other } }))
const summed = (sha256: unknown) => withFile((file) => Object.assign(file, { lfs: { ...file.lfs, sha256 } }))
const committed =
  (sha: unknown): Spoil =>
  (listing) => ({ ...listing, sha: sha as string })
const text =
  (json: string | Buffer): Spoil =>
  () =>
    Buffer.from(json)

/** What may be wrong with the listing of a repository. None of it may lead to a file that is not the model's. */
export const LISTINGS: Readonly<Record<string, Spoil>> = {
  'another SHA-256': summed('0'.repeat(64)),
  'no SHA-256': summed(undefined),
  'a SHA-256 that is null': summed(null),
  'a SHA-1': summed('0'.repeat(40)),
  'a SHA-256 that is an object': summed({ toString: 'x' }),
  'a file that is not in LFS': withFile((file) => delete file.lfs),
  'an LFS that is a list': withFile((file) => Object.assign(file, { lfs: [file.lfs] })),
  'a size that is too small': (listing, file) => sized(file.size! - 1)(listing, file),
  'sizes that differ': sized(5, 6),
  'a size of 0': sized(0),
  'a negative size': sized(-1),
  'a size that is a text': sized('5'),
  'a size beyond numbers': sized(1e300),
  'a size beyond the disk': sized(2 ** 52),
  'no size': sized(undefined),
  'a file twice': (listing, file) => ({ ...listing, siblings: [...listing.siblings, { ...file }] }),
  'a file twice, with another SHA-256': (listing, file) => ({
    ...listing,
    siblings: [{ ...file, lfs: { ...file.lfs!, sha256: '1'.repeat(64) } }, ...listing.siblings],
  }),
  'a missing file': (listing, file) => ({
    ...listing,
    siblings: listing.siblings.filter((one) => one !== file),
  }),
  'a path out of the folder': named('../escaped-Q4_K_M.gguf'),
  'a path out of the folder, further on': named('a/../../../escaped-Q4_K_M.gguf'),
  'an absolute path': named('/tmp/escaped-Q4_K_M.gguf'),
  'a path with backslashes': named('..\\escaped-Q4_K_M.gguf'),
  'the name of a device': named('nul-Q4_K_M/con.gguf'),
  'a NUL in a name': named('escaped-Q4_K_M\u0000.gguf'),
  'a name that reads backwards': named('escaped-Q4_K_M\u202efugg.gguf'),
  'a name that is too long': named(`${'x'.repeat(300)}-Q4_K_M.gguf`),
  'a name that is no text': withFile((file) => Object.assign(file, { rfilename: ['x.gguf'] })),
  'a name with a query': named('escaped-Q4_K_M.gguf?x=.gguf'),
  'no commit': committed(undefined),
  'a commit that leads elsewhere': committed('../../../elsewhere'),
  'a commit that is gone': committed('f'.repeat(40)),
  'no list of files': (listing) => ({ ...listing, siblings: {} as never }),
  'files that are nothing': (listing) => ({ ...listing, siblings: [null, 7, 'x', []] as never }),
  'a prototype': (listing) =>
    Buffer.from(`{"__proto__":${JSON.stringify(listing)},"constructor":{"prototype":{"size":1}}}`),
  'a web page': text('<!DOCTYPE html><html>Please log in</html>'),
  'nothing at all': text(''),
  'JSON that is cut off': (listing) => Buffer.from(JSON.stringify(listing).slice(0, -20)),
  'another JSON': text('{"error":"Repository not found"}'),
  'bytes that are no text': text(Buffer.alloc(5000, 0xff)),
  'nesting without end': text('['.repeat(2 ** 20)),
  'more names than any list has': (listing, file) =>
    Buffer.from(
      `{"sha":"${listing.sha}","siblings":[${Array(1e5).fill(JSON.stringify(file.rfilename)).join()}]}`,
    ),
  'more bytes than any list has': (listing) => ({ ...listing, card: 'x'.repeat(9 * 2 ** 20) }),
}
