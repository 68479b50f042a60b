// Everything between a fresh clone and a program that runs; what is fresh is skipped. Before this has run there
// is no node_modules, so the scripts use nothing but Node.
import { addonRoom, buildAddon } from './addon.mjs'
import { installDependencies } from './dependencies.mjs'
import { buildDist } from './dist.mjs'
import { withLock } from './lock.mjs'
import { inRoot } from './paths.mjs'
import { main, Stop, step } from './steps.mjs'
import { fillVendor, vendorRoom } from './vendor.mjs'

const OLDEST_NODE = 20

export function setUp() {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Stop(
      `Node.js ${OLDEST_NODE} or newer is needed, this is ${process.version}: install a newer one from https://nodejs.org.`,
    )
  }
  return withLock(async () => {
    await step('packages', (report) => installDependencies(inRoot(), report))
    await step('llama.cpp', (report) => fillVendor(vendorRoom(), report))
    await step('addon', (report) => buildAddon(addonRoom(), report))
    await step('dist', (report) => buildDist(report))
  })
}

main(import.meta.url, async () => setUp())
