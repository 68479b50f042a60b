import type { MultiBar, SingleBar } from 'cli-progress'
import { printableLine } from '../../core/printable.ts'
import type { Progress } from '../../core/progress.ts'
import { writeLinesTo } from '../../core/stderr-logger.ts'

type OnProgress = (progress: Progress) => void

type ProgressWatch = {
  /** Show a bar if there is no `onProgress`. */
  readonly verbose: boolean
  readonly onProgress: OnProgress | undefined
}

const MB = 1e6
const TITLE = 24
const WIDTH = 16

/** Shared by all work in progress: two would write over each other. */
let shown: { readonly bars: MultiBar; count: number } | undefined

/**
 * Runs `work` with a receiver of its progress: `onProgress`, or with `verbose` a bar for each phase, on
 * stderr if that is a terminal. The bars end with the last running work, however it ends.
 */
export async function withProgressBar<T>(
  title: string,
  { verbose, onProgress }: ProgressWatch,
  work: (onProgress: OnProgress | undefined) => Promise<T>,
): Promise<T> {
  if (onProgress || !verbose || !process.stderr.isTTY) return work(onProgress)
  const { default: cliProgress } = await import('cli-progress')
  const format = (_: unknown, { progress }: { progress: number }, payload: Progress & { title: string }) =>
    lineOf(payload, progress)
  shown ??= {
    // The cursor stays visible and lines wrap as before: a killed process leaves the terminal as it was.
    bars: new cliProgress.MultiBar({ format, linewrap: true, hideCursor: false, stream: process.stderr }),
    count: 0,
  }
  const { bars } = shown
  shown.count++
  writeLinesTo((line) => {
    // Before the first bar, an update would start a timer that never ends.
    if (!bars.isActive) return void process.stderr.write(line)
    bars.log(line)
    bars.update()
  })
  try {
    return await work(barsOf(bars, printableLine(title)))
  } finally {
    if (--shown.count === 0) {
      writeLinesTo(undefined)
      shown = undefined
      bars.stop()
    }
  }
}

/** A bar for each phase, below those before it. */
function barsOf(bars: MultiBar, title: string): OnProgress {
  let phase: Progress['phase'] | undefined
  let bar: SingleBar | undefined
  return (progress) => {
    const { bytes, total } = progress
    const payload = { ...progress, title }
    if (!bar || phase !== progress.phase) bar = bars.create(total ?? Number.POSITIVE_INFINITY, bytes, payload)
    phase = progress.phase
    bar.setTotal(total ?? Number.POSITIVE_INFINITY)
    bar.update(bytes, payload)
  }
}

function lineOf({ title, phase, bytes, total, bytesPerSecond }: Progress & { title: string }, done: number) {
  const name = title.length > TITLE ? `${title.slice(0, TITLE - 3)}...` : title
  const of = total === undefined ? '' : `/${megabytes(total)}`
  const parts = [`${megabytes(bytes)}${of} MB`, `${(bytesPerSecond / MB).toFixed(1)} MB/s`]
  if (total !== undefined && bytesPerSecond > 0 && bytes < total)
    parts.push(`${clock((total - bytes) / bytesPerSecond)} left`)
  if (total !== undefined) parts.unshift(`${drawn(done)} ${String(Math.floor(done * 100)).padStart(3)} %`)
  return `${name} ${phase} ${parts.join(' | ')}`
}

function drawn(done: number): string {
  const full = Math.round(done * WIDTH)
  return `[${'='.repeat(full)}${'-'.repeat(WIDTH - full)}]`
}

const megabytes = (bytes: number) => (bytes / MB).toFixed(bytes < 100 * MB ? 1 : 0)

/** `1:02:03`, or `2:03`. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const rest = [minutes, whole % 60].map((part) => String(part).padStart(2, '0'))
  return hours > 0 ? [hours, ...rest].join(':') : rest.join(':').replace(/^0/, '')
}
