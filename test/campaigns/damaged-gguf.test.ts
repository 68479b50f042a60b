import { expect, test } from 'vitest'
import { type Outcome, runCampaign } from './damaged-gguf/runner.ts'

// `npm run campaign:damaged-gguf -- --count 1000 --seed 1` sets these; a failure names the index that repeats it.
// With `--untried` nothing is tried in a child process first, and crashes are only counted: what header checks alone find.
const count = Number(process.env.CAMPAIGN_COUNT ?? 120)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)
const first = Number(process.env.CAMPAIGN_FIRST ?? 0)
const tryFirst = process.env.CAMPAIGN_UNTRIED === undefined

test(`${count} damaged and truncated GGUFs (seed ${seed}) each end in a typed error or a valid run`, async () => {
  const tally = new Map<string, number>()
  const bad: Outcome[] = []
  let slowest = 0
  for await (const outcome of runCampaign({ count, seed, first, tryFirst })) {
    const fine = outcome.kind === 'typed error' || outcome.kind === 'valid'
    const byTrial = fine && /child process/.test(outcome.message ?? '') ? ', by its trial' : ''
    const name = outcome.kind === 'typed error' ? `${outcome.detail}${byTrial}` : outcome.kind
    tally.set(name, (tally.get(name) ?? 0) + 1)
    slowest = Math.max(slowest, outcome.ms)
    if (!fine) bad.push(outcome)
    if (!fine || byTrial || process.env.CAMPAIGN_ALL)
      console.log(
        `${outcome.index} ${outcome.source}: ${outcome.mutation} -> ${outcome.kind} ${outcome.detail} ${outcome.message ?? ''}`,
      )
  }
  const tallied = Object.fromEntries([...tally].sort((a, b) => b[1] - a[1]))
  console.log(`${count} files, seed ${seed}, the slowest in ${slowest} ms:`, tallied)
  if (tryFirst) expect(bad).toEqual([])
})
