import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Outcome, runCampaign } from './damaged-gguf-runner.ts'

// `npm run campaign:damaged-gguf -- --count 1000 --seed 1` sets these; a failure names the index that repeats it.
const count = Number(process.env.CAMPAIGN_COUNT ?? 120)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)
const first = Number(process.env.CAMPAIGN_FIRST ?? 0)

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

test(`${count} damaged and truncated GGUFs (seed ${seed}) each end in a typed error or a valid run`, async () => {
  const tally = new Map<string, number>()
  const bad: Outcome[] = []
  for await (const outcome of runCampaign({
    embeddedPath: path('../../models/gpt4all-ts-tiny-chat.Q8_0.gguf'),
    childPath: path('damaged-gguf-child.mjs'),
    count,
    seed,
    first,
  })) {
    const fine = outcome.kind === 'typed error' || outcome.kind === 'valid'
    const name = outcome.kind === 'typed error' ? outcome.detail : outcome.kind
    tally.set(name, (tally.get(name) ?? 0) + 1)
    if (!fine) bad.push(outcome)
    if (!fine || process.env.CAMPAIGN_ALL)
      console.log(
        `${outcome.index} ${outcome.source}: ${outcome.mutation} -> ${outcome.kind} ${outcome.detail}`,
      )
  }
  console.log(`${count} files, seed ${seed}:`, Object.fromEntries([...tally].sort((a, b) => b[1] - a[1])))
  expect(bad).toEqual([])
})
