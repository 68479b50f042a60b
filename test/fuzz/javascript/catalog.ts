import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { named, parseCatalog } from '../../../src/models/catalog/catalog.ts'
import { typedOnly } from '../target.ts'

/** Catalogs as servers send them, and entries that lie beside models. */
export const fuzz = (data: Buffer) =>
  typedOnly(async () => named(await parseCatalog(data, 'a catalog'), 'a catalog'))

const ENTRY = {
  filename: 'a.gguf',
  filesize: '12',
  md5sum: '0'.repeat(32),
  ramrequired: '4',
  disableGUI: 'true',
}

export const seeds = () => [
  readFileSync(join(process.cwd(), 'test/golden/catalog.json')).subarray(0, 2 ** 16),
  ...[[ENTRY], ENTRY, [{ ...ENTRY, chatTemplate: '{{ x }}', filesize: 3 }]].map((content) =>
    Buffer.from(JSON.stringify(content)),
  ),
]
