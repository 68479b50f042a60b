// npm run campaign:damaged-gguf -- --count 1000 --seed 1 [--first 0] [--all] [--untried]
// npm run campaign:downloads -- --count 200 --seed 1
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const text = (fallback) => ({ type: 'string', default: fallback })
const {
  values,
  positionals: [name],
} = parseArgs({
  allowPositionals: true,
  options: {
    count: text('200'),
    seed: text('1'),
    first: text('0'),
    all: { type: 'boolean', default: false },
    untried: { type: 'boolean', default: false },
  },
})
const env = {
  ...process.env,
  CAMPAIGN_COUNT: values.count,
  CAMPAIGN_SEED: values.seed,
  CAMPAIGN_FIRST: values.first,
  ...(values.all && { CAMPAIGN_ALL: '1' }),
  ...(values.untried && { CAMPAIGN_UNTRIED: '1' }),
}
// Sets everything up first, so that it is today's library that is tried.
const program = fileURLToPath(new URL('../../scripts/test.mjs', import.meta.url))
const args = ['--project', 'campaigns', `${name}.test.ts`, '--disable-console-intercept']
process.exitCode = spawnSync(process.execPath, [program, ...args], { env, stdio: 'inherit' }).status ?? 1
