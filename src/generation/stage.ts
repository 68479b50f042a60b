import type { EndEvent } from './events.ts'

/**
 * A stage between the tokens and the reader: what an event becomes, in order. Nothing follows an `end`, which a
 * stage may also put in before its own comes. Stages are functions, as each async generator would cost every
 * token several turns of the microtask queue.
 */
export type Stage<In, Out> = (event: In | EndEvent) => readonly (Out | EndEvent)[]
