/**
 * Lets many read at once. A change waits for the reads under way; reads that come later wait for the change.
 */
export class ReadLock {
  readonly #reading = new Set<Promise<unknown>>()
  #changing: Promise<void> | undefined

  async read<T>(work: () => Promise<T>): Promise<T> {
    while (this.#changing) await this.#changing
    const reading = work()
    this.#reading.add(reading)
    try {
      return await reading
    } finally {
      this.#reading.delete(reading)
    }
  }

  /** One change at a time; `work` must not reject. */
  async change(work: () => Promise<void>): Promise<void> {
    this.#changing = Promise.allSettled(this.#reading).then(work)
    await this.#changing
    this.#changing = undefined
  }
}
