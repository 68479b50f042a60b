// How long the event loop keeps others waiting.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The 99th percentile of the event loop's delay, ms: `[{ idle, generating }]`, alternating in stretches of `ms`, after one
 * that warms up. `write(until, round)` generates until then.
 */
export async function loopDelays({ rounds, ms }, write) {
  await write(performance.now() + ms, 0)
  const measured = []
  for (let round = 1; round <= rounds; round++) {
    const idle = await delayWhile(() => sleep(ms))
    const generating = await delayWhile(() => write(performance.now() + ms, round))
    measured.push({ idle, generating })
  }
  return measured
}

async function delayWhile(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await work()
  histogram.disable()
  return histogram.percentile(99) / 1e6
}
