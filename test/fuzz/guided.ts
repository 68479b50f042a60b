import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setImmediate as nextTurnOfLoop } from 'node:timers/promises'
import { seeded } from '../support/gguf-writer.ts'
import { mutated } from './mutate.ts'

/**
 * The child of a fuzzer in JavaScript: `guided BUNDLE FOLDER SECONDS SEED MOST_BYTES [INPUT]`. It mutates what it has, and keeps what reaches
 * code that nothing before has reached: V8 counts how often each block runs. Its parent watches that it goes on.
 */

type Target = { fuzz(data: Buffer): Promise<void>; seeds(): readonly Buffer[] }
type Coverage = {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly {
      readonly ranges: readonly {
        readonly startOffset: number
        readonly endOffset: number
        readonly count: number
      }[]
    }[]
  }[]
}

const [, , bundle = '', folder = '', seconds, seed, mostBytes, input] = process.argv
const most = Number(mostBytes)
const target = createRequire(import.meta.url)(bundle) as Target
const random = seeded(Number(seed))
const corpusFolder = join(folder, 'corpus')
const current = join(folder, 'current')
mkdirSync(corpusFolder, { recursive: true })

const session = new Session()
session.connect()
function post<T>(method: string, params: object = {}): T {
  let answer: T | undefined
  session.post(method, params, (error: Error | null, result?: object) => {
    if (error) throw error
    answer = result as T
  })
  return answer as T // V8 answers at once
}
post('Profiler.enable')
post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

/** How often in magnitude: a loop that runs once more is no news, one that runs twice as often is. */
const magnitude = (count: number) => (count < 4 ? count : 2 + Math.floor(Math.log2(count)))

/** The blocks that ran since the last call. */
function reached(): string[] {
  const { result } = post<Coverage>('Profiler.takePreciseCoverage')
  return result
    .filter(({ url }) => url.endsWith(bundle))
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    .filter(({ count }) => count > 0)
    .map(({ startOffset, endOffset, count }) => `${startOffset}-${endOffset}:${magnitude(count)}`)
}

const known = new Set<string>()
const corpus: Buffer[] = []
let runs = 0

/** Whether `data` reaches something new. */
async function run(data: Buffer): Promise<boolean> {
  writeFileSync(current, data)
  await target.fuzz(data)
  runs++
  const before = known.size
  for (const block of reached()) known.add(block)
  return known.size > before
}

function keep(data: Buffer): void {
  corpus.push(data)
  writeFileSync(join(corpusFolder, createHash('sha1').update(data).digest('hex')), data)
}

/** The latest ones more often: they stand at the edge of what is known. */
function pick(): Buffer {
  const all = random() < 0.5
  const at = Math.floor(random() * (all ? corpus.length : Math.min(20, corpus.length)))
  return corpus[all ? at : corpus.length - 1 - at]!
}

async function begin(): Promise<void> {
  const found = readdirSync(corpusFolder).map((name) => readFileSync(join(corpusFolder, name)))
  for (const data of [...target.seeds(), ...found]) if (await run(data.subarray(0, most))) keep(data)
}

async function fuzz(): Promise<void> {
  const end = Date.now() + Number(seconds) * 1000
  await begin()
  for (let told = 0; Date.now() < end; ) {
    const data = mutated(pick(), pick(), random, most)
    if (await run(data)) keep(data)
    if (Date.now() < told + 500) continue
    told = Date.now()
    process.send?.({ runs, corpus: corpus.length, reached: known.size })
    await nextTurnOfLoop() // so that it is sent
  }
  process.send?.({ runs, corpus: corpus.length, reached: known.size, isDone: true })
}

// What a target throws ends the program: that is what is looked for.
void (input === undefined ? fuzz() : target.fuzz(readFileSync(input))).then(() => process.disconnect?.())
