import type { Logger } from '../core/logger.ts'
import type { NativeContext } from '../native/contract.ts'
import type { Drafter } from './guess/drafter.ts'
import { Threads } from './threads.ts'

/** How many threads compute. */
export type ThreadChoice = {
  /** Those for steps of one token. */
  readonly threads: number
  /** Those for steps of more: prompts, answers side by side, guesses that are verified. */
  readonly batchThreads: number
  /** Use fewer, of both alike, while other programs want the cores, instead of waiting for each other. */
  readonly yields: boolean
}

/** Tells contexts how many threads compute their next step. */
export class ThreadCounts {
  readonly #logger: Logger
  #choice: ThreadChoice
  #threads: Threads
  #count: number

  constructor(choice: ThreadChoice, logger: Logger) {
    this.#logger = logger
    this.#choice = choice
    this.#threads = new Threads(choice.threads)
    this.#count = choice.threads
  }

  /** Another choice, from the next step on. */
  choose(choice: ThreadChoice): void {
    this.#choice = choice
    this.#threads = new Threads(choice.threads)
    this.#count = choice.threads
  }

  /** For the step that begins now. */
  apply(context: NativeContext, drafter: Drafter | undefined): void {
    const { threads, batchThreads, yields } = this.#choice
    const count = yields ? this.#threads.forStep(performance.now()) : threads
    if (count !== this.#count) this.#logger.debug(`computing with ${count} of ${threads} threads`)
    this.#count = count
    const batch = yields ? count : batchThreads
    const watch = yields && count > 1
    context.setThreads(count, batch, watch)
    drafter?.setThreads(count, batch, watch)
  }

  /** The step was given up because other programs use the cores. */
  crowdedOut(): void {
    this.#threads.crowdedOut(performance.now())
  }
}
