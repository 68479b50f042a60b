// `npm run test:browser`: the tests of the chat page, in Chromium.
import { findChromium } from './chromium.mjs'
import { inRoot } from './paths.mjs'
import { run } from './process.mjs'
import { setUp } from './setup.mjs'
import { main } from './steps.mjs'

main(import.meta.url, async () => {
  const args = process.argv.slice(2)
  await setUp()
  const chromium = await findChromium()
  const vitest = [inRoot('node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'browser', ...args]
  const env = { ...process.env, CHROMIUM: chromium }
  process.exitCode = (await run(process.execPath, vitest, { cwd: inRoot(), env, inherit: true })).code
})
