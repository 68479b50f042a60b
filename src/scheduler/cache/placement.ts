import type { Logger } from '../../core/logger.ts'
import type { NativeContext } from '../../native/contract.ts'
import type { Request } from '../request.ts'
import { wholeSlices } from '../slices.ts'
import { Preparations } from './preparations.ts'
import { ReadLock } from './read-lock.ts'
import { commonPrefix, findGap, LEAST_REUSED, type Slot, type Slots } from './slots.ts'
import type { SavedState, StateCache } from './state-cache.ts'

export type PlacementShape = {
  readonly deterministic: boolean
  /** A part of a request can be dropped: not so where the memory is recurrent. */
  readonly rollsBack: boolean
  /** A state has every token of its request: llama.cpp leaves out what a sliding window no longer sees. */
  readonly keepsAll: boolean
  readonly logger: Logger
}

/**
 * Finds a slot for a request, and brings into it what is known of its tokens: what the slot holds itself, a longer beginning
 * that another slot holds, or the state of a conversation that lost its slot. The context does what is
 * asked of it in order, so all of it is done before the step that follows.
 */
export class Placement {
  /** What was asked of the context for the next step. */
  readonly preparations: Preparations
  #context: NativeContext
  readonly #slots: Slots<Request>
  readonly #states: StateCache
  readonly #shape: PlacementShape
  /** Of those who ask, how many wait until what they begin with is evaluated for another. */
  #heldBack = 0
  /** States that came from outside, each for its conversation until that goes on. */
  readonly #offered = new WeakMap<object, SavedState>()
  readonly #saving = new Set<Promise<void>>()
  /** What slots hold is read for who asks, or is on its way into another context. */
  readonly #held = new ReadLock()
  /** Slots whose keys are moved by the next step that is evaluated, not before. */
  readonly #shifting = new Set<Slot<Request>>()

  constructor(context: NativeContext, slots: Slots<Request>, states: StateCache, shape: PlacementShape) {
    this.#context = context
    this.#slots = slots
    this.#states = states
    this.#shape = shape
    this.preparations = new Preparations(shape.logger)
  }

  /** Goes on with another, empty context of more sequences, into which it brings what the slots hold, where it can. */
  moveTo(context: NativeContext): Promise<void> {
    return this.#held.change(() => this.#move(context))
  }

  async #move(context: NativeContext): Promise<void> {
    const past = this.#context
    this.#context = context
    for (const slot of this.#slots.all) {
      const canMove = this.#shape.keepsAll && slot.tokens.length > 0 && !this.#shifting.has(slot)
      const moved =
        canMove &&
        (await past
          .save(slot.id)
          .then((bytes) => context.restore(slot.id, bytes))
          .then(
            () => true,
            (error: Error) => this.#isLost('is not moved', error),
          ))
      if (!moved) slot.keep(0)
    }
    this.#slots.grow(context.info.sequences)
    this.#shifting.clear()
  }

  /**
   * A slot for `request`, which holds what need not be evaluated; `undefined` when all are busy, or while what it begins with
   * is being evaluated for another.
   */
  attach(request: Request, isWaiting: (request: Request) => boolean): Slot<Request> | undefined {
    const { tokens } = request
    // The free ones belong to those who are held back first.
    if (this.#slots.free(isWaiting) <= this.#heldBack) return undefined
    if (this.isUnderWay(request, isWaiting)) {
      this.#heldBack++
      return undefined
    }
    const isOwn = ({ conversation }: Slot<Request>) => conversation?.deref() === request.conversation
    const slot = this.#slots.take(request, tokens, isWaiting, { isOwn, isKept: this.#canKeep })
    if (!slot) return undefined
    request.served()
    // Cells of another conversation have seen its messages, even where their tokens are the same.
    const canClose = isOwn(slot) && this.#context.info.canShift && !this.#shape.deterministic
    if (request.moved && canClose) this.#close(slot, tokens)
    else this.#bringIn(slot, request)
    slot.conversation = new WeakRef(request.conversation)
    // At least one token must be evaluated: its logits choose the next one. The step itself drops the rest.
    const kept = Math.min(commonPrefix(slot.tokens, tokens), tokens.length - 1)
    slot.keep(this.#shape.deterministic ? wholeSlices(Math.min(kept, slot.inSlices)) : kept)
    return slot
  }

  /** A step is put together: nobody is held back yet. */
  beginStep(): void {
    this.#heldBack = 0
  }

  /** A step was evaluated: nothing waits for one any more. */
  evaluated(): void {
    this.#shifting.clear()
  }

  /** Forgets the states of conversations without a slot. */
  clear(): void {
    this.#states.clear()
  }

  /** Closes the gap that left-out messages leave in the cache. */
  #close(slot: Slot<Request>, tokens: readonly number[]): void {
    const gap = findGap(slot.tokens, tokens)
    if (!gap) return
    this.#shape.logger.debug(`moving cached tokens from position ${gap.to} to ${gap.from}`)
    this.preparations.add(slot, this.#context.shift(slot.id, gap.from, gap.to))
    this.#shifting.add(slot)
    slot.tokens.splice(gap.from, gap.to - gap.from)
  }

  #bringIn(slot: Slot<Request>, { tokens, conversation }: Request): void {
    const own = this.#usable(slot.tokens, tokens)
    const other = this.#shape.keepsAll ? this.#longest(slot, tokens) : undefined
    const saved = this.#savedFor(conversation, tokens)
    const inSaved = saved ? this.#usable(saved.tokens, tokens) : 0
    const inOther = other ? this.#usable(other.tokens, tokens) : 0
    // What another conversation is about to lose.
    const isOthers = slot.conversation?.deref() !== conversation
    if (isOthers && slot.tokens.length >= own + LEAST_REUSED) this.#save(slot)
    if (Math.max(inSaved, inOther) < own + LEAST_REUSED) return
    if (saved && inSaved > inOther) this.#restore(slot, saved, inSaved === saved.tokens.length)
    else if (other) this.#copy(other, slot)
  }

  /** What loses its slot may come back. */
  get #keeps(): boolean {
    return this.#states.isOn && this.#shape.keepsAll
  }

  // At most about its part of the context's memory, which holds more than keys and values.
  #canKeep = ({ tokens }: Slot<Request>): boolean => {
    const { memoryBytes, cells, sequences } = this.#context.info
    return this.#keeps && (memoryBytes / (cells * sequences)) * tokens.length <= this.#states.room
  }

  /** How much of what is cached serves `tokens`. */
  #usable(cached: readonly number[], tokens: readonly number[]): number {
    const prefix = commonPrefix(cached, tokens)
    const isWhole = prefix === cached.length && prefix < tokens.length
    return isWhole || this.#shape.rollsBack ? prefix : 0
  }

  /** Whether somebody who is being served, and not slower, will soon hold more of its tokens than anybody does now. */
  isUnderWay({ tokens, batchSize }: Request, isWaiting: (request: Request) => boolean): boolean {
    if (!this.#shape.keepsAll || !this.#shape.rollsBack) return false
    let coming = 0
    for (const { owner } of this.#slots.all)
      if (owner && isWaiting(owner) && owner.batchSize >= batchSize)
        coming = Math.max(coming, commonPrefix(owner.tokens, tokens))
    if (coming < LEAST_REUSED) return false
    const held = this.#slots.all.map((slot) => commonPrefix(slot.tokens, tokens))
    return coming - Math.max(...held, this.#states.find(tokens)?.prefix ?? 0) >= LEAST_REUSED
  }

  #longest(except: Slot<Request>, tokens: readonly number[]): Slot<Request> | undefined {
    let best: { slot: Slot<Request>; prefix: number } | undefined
    for (const slot of this.#slots.all) {
      if (slot === except || this.#shifting.has(slot)) continue
      const prefix = commonPrefix(slot.tokens, tokens)
      if (!best || prefix > best.prefix) best = { slot, prefix }
    }
    return best?.slot
  }

  #save(slot: Slot<Request>): void {
    if (!this.#keeps || this.#shifting.has(slot)) return
    const [tokens, { inSlices }] = [[...slot.tokens], slot]
    const saving = this.#context.save(slot.id).then(
      (bytes) => this.#states.add({ tokens, inSlices, bytes }),
      (error: Error) => void this.#isLost('is not kept', error),
    )
    this.#saving.add(saving)
    void saving.then(() => this.#saving.delete(saving))
  }

  // What it was given itself serves it once.
  #savedFor(conversation: object, tokens: readonly number[]): SavedState | undefined {
    const offered = this.#offered.get(conversation)
    this.#offered.delete(conversation)
    const found = this.#states.find(tokens)?.state
    const better =
      offered && found && this.#usable(found.tokens, tokens) > this.#usable(offered.tokens, tokens)
    return better ? found : (offered ?? found)
  }

  /** Brings in `state` when `conversation` next wants a slot. */
  offer(conversation: object, state: SavedState): void {
    this.#offered.set(conversation, state)
  }

  /**
   * What is cached of `conversation`, of which nothing is being evaluated for it. `tokens` are its own as far as they are
   * known; `isBusy` tells whether a slot is part of the step under way. `undefined` where nothing is, or a state would not be all of it.
   */
  async stateOf(
    conversation: object,
    tokens: readonly number[],
    isBusy: (slot: Slot<Request>) => boolean,
  ): Promise<SavedState | undefined> {
    if (!this.#shape.keepsAll) return undefined
    return this.#held.read(() => this.#read(conversation, tokens, isBusy))
  }

  async #read(
    conversation: object,
    tokens: readonly number[],
    isBusy: (slot: Slot<Request>) => boolean,
  ): Promise<SavedState | undefined> {
    const slot = this.#slots.all.find((one) => one.conversation?.deref() === conversation)
    if (slot) await this.#context.positions(slot.id) // behind its last step, which may have been given up
    if (slot?.conversation?.deref() === conversation && !isBusy(slot) && !this.#shifting.has(slot)) {
      const kept = commonPrefix(slot.tokens, tokens)
      // What an abort has left behind belongs to nobody.
      if (this.#shape.rollsBack && tokens.length > 0 && kept < slot.tokens.length) {
        slot.keep(kept)
        void this.#context.remove(slot.id, kept, -1).catch(() => {})
      }
      const held = { tokens: [...slot.tokens], inSlices: slot.inSlices }
      return held.tokens.length > 0 ? { ...held, bytes: await this.#context.save(slot.id) } : undefined
    }
    await Promise.all(this.#saving)
    const saved = this.#offered.get(conversation) ?? this.#states.find(tokens)?.state
    return saved && commonPrefix(saved.tokens, tokens) >= LEAST_REUSED ? saved : undefined
  }

  #restore(slot: Slot<Request>, state: SavedState, isWhole: boolean): void {
    this.#shape.logger.debug(`bringing back a conversation of ${state.tokens.length} tokens`)
    // Who shares only the beginning leaves it to whom it belongs to.
    if (isWhole) this.#states.remove(state)
    this.preparations.add(slot, this.#restored(slot.id, state))
    slot.hold(state.tokens, state.inSlices)
  }

  // What is more than its tokens the next step drops.
  async #restored(id: number, { bytes, tokens }: SavedState): Promise<boolean> {
    const context = this.#context
    await context.restore(id, bytes)
    return (await context.positions(id)).max >= tokens.length - 1
  }

  #copy(from: Slot<Request>, to: Slot<Request>): void {
    this.#shape.logger.debug(`copying ${from.tokens.length} cached tokens of another conversation`)
    this.preparations.add(
      to,
      this.#context.copy(from.id, to.id).then(() => true),
    )
    to.hold(from.tokens, from.inSlices)
  }

  // It is evaluated anew. Only memory that is used up and a context that is closed can be the reason.
  #isLost(what: string, { message }: Error): false {
    this.#shape.logger.debug(`the cache of a conversation ${what}: ${message}`)
    return false
  }

  /** Asks the context what a slot holds: a part of a failed step may have reached it. */
  async resync(slot: Slot<Request>): Promise<void> {
    // Its positions are moved already, its keys are not.
    if (this.#shifting.delete(slot)) slot.keep(0)
    try {
      const held = (await this.#context.positions(slot.id)).max + 1
      // More than was meant to be kept: recurrent memories hold one state, not one per token. Begin anew.
      const stuck =
        held > slot.tokens.length && !(await this.#context.remove(slot.id, slot.tokens.length, -1))
      if (stuck) await this.#context.remove(slot.id, 0, -1)
      slot.keep(stuck ? 0 : held)
    } catch {
      slot.keep(0) // closed: nobody will use it again
    }
  }

  async forget(slots: readonly Slot<Request>[]): Promise<void> {
    for (const slot of slots) {
      slot.keep(0)
      await this.resync(slot)
    }
  }
}
