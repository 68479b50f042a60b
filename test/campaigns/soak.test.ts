import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { platform } from 'node:process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { EMBEDDED } from '../support/models.ts'

// `npm run campaign:soak -- --count 20000 --seed 1` sets these.
const count = Number(process.env.CAMPAIGN_COUNT ?? 6000)
const seed = Number(process.env.CAMPAIGN_SEED ?? 1)

const child = fileURLToPath(new URL('soak-child.mjs', import.meta.url))

/** Of the samples, those at the beginning that tell of caches that fill, and of V8's young generation that grows to its size. */
const WARM_UP = 0.5
/** One heap for all threads: how their own ones break into fragments is chance. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '1' }
/** What memory may grow by behind the warm-up, by its fitted slope: what the allocator's fragments make of chance. */
const MOST_GROWTH = 12 * 2 ** 20
/** The same of handles and threads. */
const MOST_MORE = 2
const POINTS = 10

type Occupied = {
  readonly rss: number
  readonly own: number
  readonly handles: number
  readonly threads: number
}
type Sample = Occupied & {
  readonly at: number
  readonly children: number
  readonly zombies: number
  readonly engine: Occupied | undefined
}
type End = {
  readonly done: Readonly<Record<string, number>>
  readonly faults: readonly string[]
  readonly children: number
  readonly zombies: number
}

/** By how much a line through the values, the best one, rises from the first to the last. */
function growth(values: readonly number[]): number {
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const middle = (n - 1) / 2
  let [above, below] = [0, 0]
  for (const [i, value] of values.entries()) {
    above += (i - middle) * (value - mean)
    below += (i - middle) ** 2
  }
  return (above / below) * (n - 1)
}

async function soak(mode: string): Promise<{ readonly samples: readonly Sample[]; readonly end: End }> {
  const program = spawn(
    process.execPath,
    ['--expose-gc', child, EMBEDDED, String(count), String(seed), mode],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...ENVIRONMENT } },
  )
  const samples: Sample[] = []
  let end: End | undefined
  program.on('message', (told: Sample | End) => {
    if ('done' in told) end = told
    else samples.push(told)
  })
  expect(await once(program, 'exit')).toEqual([0, null])
  return { samples, end: end! }
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const line = ({ at, children, zombies, engine, ...own }: Sample) =>
  [
    `${String(at).padStart(6)}:`,
    `rss ${mib(own.rss)} (own ${mib(own.own)}), handles ${own.handles}, threads ${own.threads}, children ${children}, zombies ${zombies}`,
    ...(engine
      ? [
          `; engine: rss ${mib(engine.rss)} (own ${mib(engine.own)}), handles ${engine.handles}, threads ${engine.threads}`,
        ]
      : []),
  ].join(' ')

test.runIf(platform === 'linux').each(['in-process', 'isolated'])(
  `${count} generations, aborts, saves and errors, mixed (seed ${seed}), leave nothing behind: %s`,
  { timeout: 7_200_000 },
  async (mode) => {
    const { samples, end } = await soak(mode)
    const every = samples.length / POINTS
    console.log(
      [
        `${mode}: ${Object.entries(end.done)
          .map(([what, times]) => `${what} ${times}`)
          .sort()
          .join(', ')}`,
        ...samples.filter((_, i) => (i + 1) % every === 0).map(line),
      ].join('\n'),
    )
    expect(end.faults.slice(0, 10)).toEqual([])
    const warm = samples.slice(Math.floor(samples.length * WARM_UP))
    const processes = [
      ['the program', warm as readonly Occupied[]],
      ...(mode === 'isolated' ? [['the engine', warm.map(({ engine }) => engine!)] as const] : []),
    ] as const
    for (const [which, occupied] of processes) {
      const grown = {
        memory: growth(occupied.map(({ own }) => own)),
        handles: growth(occupied.map(({ handles }) => handles)),
        threads: growth(occupied.map(({ threads }) => threads)),
      }
      console.log(
        `${mode}, ${which}, behind the warm-up: own memory ${mib(grown.memory)}, handles ${grown.handles.toFixed(2)}, threads ${grown.threads.toFixed(2)}`,
      )
      expect(grown.memory, which).toBeLessThan(MOST_GROWTH)
      expect(grown.handles, which).toBeLessThan(MOST_MORE)
      expect(grown.threads, which).toBeLessThan(MOST_MORE)
    }
    for (const { zombies } of samples) expect(zombies).toBe(0)
    expect(end).toMatchObject({ zombies: 0 })
  },
)
