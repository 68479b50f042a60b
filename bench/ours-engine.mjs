// Our side of the rows on the engine, in a process of its own: `node bench/ours-engine.mjs <job> <options as JSON>`
// answers with JSON on stdout. It uses the package as a user would: its public entry, built.
import { busy, growth, memory, open } from './jobs/alone.mjs'
import { kernels } from './jobs/kernels.mjs'
import { copy, story } from './jobs/lookup.mjs'
import { restore } from './jobs/sessions.mjs'
import { gap, loop, streams, throughput } from './jobs/streams.mjs'

const jobs = { busy, copy, gap, growth, kernels, loop, memory, open, restore, story, streams, throughput }

const [job, options] = process.argv.slice(2)
process.stdout.write(JSON.stringify((await jobs[job](JSON.parse(options))) ?? null))
