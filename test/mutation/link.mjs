// Prepares a copy of the sources, in which it is run: links what is built or fetched and not copied.
import { chmodSync, existsSync, symlinkSync } from 'node:fs'
import { inRoot } from '../../scripts/paths.mjs'

chmodSync('.', 0o755) // tests read models with the rights of another user
for (const name of ['build', 'dist', 'docs', 'vendor', '.models'])
  if (existsSync(inRoot(name))) symlinkSync(inRoot(name), name)
