import type { Logger } from '../../core/logger.ts'
import type { Request } from '../request.ts'
import type { Slot } from './slots.ts'

/** What a context was asked to bring into slots before the next step. */
export class SlotFills {
  readonly #logger: Logger
  #asked: { readonly slot: Slot<Request>; readonly came: Promise<boolean> }[] = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** `asked` resolves with whether all of it is in `slot`. */
  add(slot: Slot<Request>, asked: Promise<boolean>): void {
    const unused = 'the cached tokens are not used, the prompt is evaluated again'
    const came = asked.then(
      (isThere) => {
        if (!isThere) this.#logger.debug(`${unused}: it is incomplete`)
        return isThere
      },
      (error: Error & { readonly code?: string }) => {
        this.#logger[error.code === 'ERR_STATE' ? 'warn' : 'debug'](`${unused}: ${error.message}`)
        return false
      },
    )
    this.#asked.push({ slot, came })
  }

  get isEmpty(): boolean {
    return this.#asked.length === 0
  }

  /**
   * Waits for all that was added since the last call; resolves with the slots that do not hold what they
   * should.
   */
  async failed(): Promise<Slot<Request>[]> {
    const asked = this.#asked
    this.#asked = []
    const came = await Promise.all(asked.map((one) => one.came))
    return asked.filter((_, i) => !came[i]).map(({ slot }) => slot)
  }
}
