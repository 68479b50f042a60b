import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const MOST_TURNS = 1000

/** Collects garbage, and runs the event loop for finalizers, until `done()`; fails where that never comes. */
export async function collectUntil(done: () => boolean): Promise<void> {
  for (let turns = 0; turns < MOST_TURNS; turns++) {
    gc()
    await turn()
    if (done()) return
  }
  throw new Error(`not collected after ${MOST_TURNS} turns of the event loop`)
}

/** Collects garbage over some turns of the event loop. */
export async function collect(turns = 5): Promise<void> {
  let left = turns
  await collectUntil(() => --left <= 0)
}
