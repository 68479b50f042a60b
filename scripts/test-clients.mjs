// `npm run test:clients`: the tests of the server with programs of others.
import { clientsDir, installClients } from './clients.mjs'
import { inRoot } from './paths.mjs'
import { run } from './process.mjs'
import { setUp } from './setup.mjs'
import { main, step } from './steps.mjs'

main(import.meta.url, async () => {
  const args = process.argv.slice(2)
  await setUp()
  await step('clients', installClients)
  const vitest = [inRoot('node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'clients', ...args]
  const env = { ...process.env, CLIENTS: clientsDir }
  process.exitCode = (await run(process.execPath, vitest, { cwd: inRoot(), env, inherit: true })).code
})
