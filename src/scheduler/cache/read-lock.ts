/** Many may read at once; who changes what they read waits for them, and whoever comes then waits for the change. */
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

  /** One at a time; `work` does not reject. */
  async change(work: () => Promise<void>): Promise<void> {
    this.#changing = Promise.allSettled(this.#reading).then(work)
    await this.#changing
    this.#changing = undefined
  }
}
