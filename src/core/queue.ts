/** Lets one at a time through, in the order of asking. */
export class Queue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for all who asked before; the function it resolves with lets the next one go. */
  async enter(): Promise<() => void> {
    const before = this.#last
    let leave = () => {}
    this.#last = new Promise((resolve) => {
      leave = resolve
    })
    await before
    return leave
  }
}
