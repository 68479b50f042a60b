/** Messages to another process, together for each turn of the event loop: sending one costs about as much as sending ten. */
export class Outbox<Message> {
  readonly #send: (messages: Message[]) => void
  readonly #beforeSending: () => void
  #messages: Message[] = []
  #isScheduled = false

  /** `beforeSending` may post what has come together by then. */
  constructor(send: (messages: Message[]) => void, beforeSending: () => void = () => {}) {
    this.#send = send
    this.#beforeSending = beforeSending
  }

  post(message: Message): void {
    this.#messages.push(message)
    this.schedule()
  }

  /** There is, or may be, something to send at the end of this turn. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#beforeSending()
    this.#isScheduled = false
    const messages = this.#messages
    this.#messages = []
    if (messages.length > 0) this.#send(messages)
  }
}
