import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { abortOf, Queue } from '../../core/async.ts'
import { cacheFolder, makeCacheFolder } from '../../core/cache-folder.ts'
import { codeOf, messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { canStart, type TrialRole } from './node.ts'

/** The child could not be started, or ended for a reason other than its trial; or its program threw. */
export class NoVerdict extends Error {}

/** Resolves with whether the trial passed, false if that is unknown; rejects with what is wrong. */
type Try = (signal: AbortSignal) => Promise<boolean>

/**
 * `refused`: the child cannot use it either, without any harm. `untried`: there is no verdict, which is
 * logged.
 */
export type Verdict = 'passed' | 'refused' | 'untried'

/** The trial of one key, and how many callers wait for it. */
type Attempt = {
  readonly verdict: Promise<Verdict>
  readonly abort: AbortController
  waiting: number
}

/** Keys of one kind; when there are this many, the older half is forgotten. */
const MOST_REMEMBERED = 4096

/** Keys that outlive the program, in a folder of the cache folder. */
export class PassedKeys {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  has(key: string): Promise<boolean> {
    const folder = cacheFolder()
    return (folder ? stat(join(folder, this.#folder, key)) : Promise.reject()).then(
      () => true,
      () => false,
    )
  }

  async add(key: string): Promise<void> {
    const folder = await makeCacheFolder(this.#folder)
    const names = await readdir(folder)
    if (names.length >= MOST_REMEMBERED) {
      const ages = names.map(async (name) => ({ name, time: (await stat(join(folder, name))).mtimeMs }))
      const oldest = (await Promise.all(ages)).sort((one, other) => one.time - other.time)
      for (const { name } of oldest.slice(0, MOST_REMEMBERED / 2)) await rm(join(folder, name))
    }
    // An empty file is whole at once. If the name is taken, the key is known, or something else stays there.
    await writeFile(join(folder, key), '', { flag: 'wx' }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

/** Trials of one kind: each key is tried once, and remembered on disk if it passes. */
export class Trials {
  readonly #role: TrialRole
  readonly #remembered: PassedKeys
  readonly #what: string
  readonly #attempts = new Map<string, Attempt>()
  /** One child at a time: several would only make each other slower. */
  readonly #line = new Queue()

  /** `folder` is in the cache folder; `what` names what is tried, e.g. `a model`. */
  constructor(role: TrialRole, folder: string, what: string) {
    this.#role = role
    this.#remembered = new PassedKeys(folder)
    this.#what = what
  }

  /**
   * Resolves once what `key` stands for has passed, by one `attempt` for all concurrent callers, or cannot be
   * tried here, which is logged. Rejects with the error of `attempt`; the next caller tries again.
   */
  async pass(key: string, attempt: Try, logger: Logger, signal?: AbortSignal): Promise<Verdict> {
    const shared = this.#attempts.get(key) ?? this.#begin(key, attempt, logger)
    shared.waiting++
    try {
      return await (signal ? Promise.race([shared.verdict, abortOf(signal)]) : shared.verdict)
    } finally {
      if (--shared.waiting === 0) shared.abort.abort() // no effect once the attempt is over
    }
  }

  #begin(key: string, attempt: Try, logger: Logger): Attempt {
    const abort = new AbortController()
    const shared = { verdict: this.#try(key, attempt, logger, abort.signal), abort, waiting: 0 }
    const forget = () => {
      if (this.#attempts.get(key) === shared) this.#attempts.delete(key)
    }
    this.#attempts.set(key, shared)
    abort.signal.addEventListener('abort', forget)
    shared.verdict.then((verdict) => {
      abort.signal.removeEventListener('abort', forget)
      if (verdict === 'refused') forget()
    }, forget)
    return shared
  }

  async #try(key: string, attempt: Try, logger: Logger, signal: AbortSignal): Promise<Verdict> {
    if (await this.#remembered.has(key)) return 'passed'
    if (!canStart(this.#role)) {
      logger.debug(
        `${this.#what} cannot be tried first: this program is not sure to be a Node.js that runs a file of ours`,
      )
      return 'untried'
    }
    const leave = await this.#line.enter()
    try {
      if (!(await attempt(signal))) return 'refused'
    } catch (error) {
      if (!(error instanceof NoVerdict)) throw error
      logger.warn(`${this.#what} could not be tried in a child process: ${error.message}`)
      return 'untried'
    } finally {
      leave()
    }
    await this.#remembered
      .add(key)
      .catch((error: unknown) =>
        logger.debug(`${this.#what} that passed could not be remembered: ${messageOf(error)}`),
      )
    return 'passed'
  }
}
