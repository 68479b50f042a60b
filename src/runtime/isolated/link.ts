import { type BirpcReturn, createBirpc } from 'birpc'
import { errorFromWire, errorToWire, type WireError } from './wire-errors.ts'

/** birpc's message, of which only the error (`e`) matters here: that crosses with its class. */
type Message = { readonly e?: unknown }

/**
 * Calls the other process's functions and lets it call `own`; `listen` is given the function that takes its
 * messages.
 */
export function connect<Theirs extends object, Own extends object>(
  own: Own,
  outbox: Outbox<unknown>,
  listen: (receive: (message: unknown) => void) => void,
): BirpcReturn<Theirs, Own> {
  return createBirpc<Theirs, Own>(own, {
    post: (message) => outbox.post(message),
    on: (receive) =>
      listen((message) => {
        // `receive` is asynchronous, whatever its type says; its failure must not go unhandled.
        Promise.resolve(receive(message) as unknown).catch(() => {})
      }),
    serialize: (message: Message) =>
      message.e === undefined ? message : { ...message, e: errorToWire(message.e) },
    deserialize: (message: Message) =>
      message.e === undefined ? message : { ...message, e: errorFromWire(message.e as WireError) },
    bind: 'functions',
    timeout: -1, // no limit: a waiting caller may abort, and a crash ends all calls
  })
}

/**
 * Sends messages to another process once per turn of the event loop: sending one costs about as much as
 * sending ten.
 */
export class Outbox<Message> {
  readonly #send: (messages: Message[]) => void
  readonly #beforeSending: () => void
  #messages: Message[] = []
  #isScheduled = false

  /** `beforeSending` may post what has been collected by then. */
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
