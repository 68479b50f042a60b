// Where Chromium lies, for the tests of the chat page and for its screenshot. On Debian and its kin it is installed
// where it is missing and we may; elsewhere it is asked for.
import { existsSync } from 'node:fs'
import { run, which } from './process.mjs'
import { main, Stop, step } from './steps.mjs'

/** An apt without a network says nothing for ever. */
const QUIET_MS = 60_000
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export async function findChromium(report = () => {}) {
  const found = process.env.CHROMIUM ?? NAMES.map((name) => which(name)).find(Boolean)
  if (found) return found
  const mayInstall =
    process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && process.env.CI !== undefined
  if (mayInstall) {
    report('installing Chromium')
    await run('apt-get', ['update'], { quietLimit: QUIET_MS })
    await run('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium'], {
      quietLimit: QUIET_MS,
    })
    const installed = which('chromium')
    if (installed) return installed
  }
  throw new Stop(
    'Chromium is needed for this: install it (Debian: apt-get install chromium), or name it in CHROMIUM.',
  )
}

main(import.meta.url, () => step('chromium', findChromium))
