import type { Logger } from '../../core/logger.ts'
import type { NativeContext } from '../../native/contract.ts'
import type { Request } from '../request.ts'
import { wholeSlices } from '../slices.ts'
import { ReadLock } from './read-lock.ts'
import { SlotFills } from './slot-fills.ts'
import { commonPrefix, findGap, LEAST_REUSED, type Slot, type Slots } from './slots.ts'
import type { SequenceState, StateCache } from './state-cache.ts'

type PlacementShape = {
  readonly deterministic: boolean
  /** Part of a sequence can be dropped, which recurrent memory does not allow. */
  readonly rollsBack: boolean
  /**
   * A state holds every token of its sequence: llama.cpp leaves out those that a sliding window no longer
   * sees.
   */
  readonly keepsAll: boolean
  /** Bytes of the state of a sequence of so many tokens. */
  readonly stateBytes: (tokens: number) => number
  readonly logger: Logger
}

/**
 * Finds a slot for a request and fills it with as many of its tokens as are cached anywhere: what the slot
 * holds itself, a longer prefix in another slot, or the state of a conversation that lost its slot. The
 * context works in order, so all of this is done before the step that follows.
 */
export class Placement {
  /** What the context was asked to do before the next step. */
  readonly fills: SlotFills
  #context: NativeContext
  readonly #slots: Slots<Request>
  readonly #states: StateCache
  readonly #shape: PlacementShape
  /** How many asking requests wait until their prefix has been evaluated for another. */
  #heldBack = 0
  /** States that came from outside, each kept until its conversation goes on. */
  readonly #offered = new WeakMap<object, SequenceState>()
  readonly #saving = new Set<Promise<void>>()
  /** Guards what slots hold: `stateOf()` reads it, `moveTo()` takes it to another context. */
  readonly #held = new ReadLock()
  /** Slots whose keys are moved only by the next step that is evaluated. */
  readonly #shifting = new Set<Slot<Request>>()

  constructor(context: NativeContext, slots: Slots<Request>, states: StateCache, shape: PlacementShape) {
    this.#context = context
    this.#slots = slots
    this.#states = states
    this.#shape = shape
    this.fills = new SlotFills(shape.logger)
  }

  /**
   * Switches to `context`, which is empty and has more sequences, and moves what the slots hold there, where
   * it can.
   */
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
            (error: Error) => this.#isLost('was not moved', error),
          ))
      if (!moved) slot.keep(0)
    }
    this.#slots.grow(context.info.sequences)
    this.#shifting.clear()
  }

  /**
   * A slot for `request`, which holds the tokens that need not be evaluated; `undefined` when all are busy,
   * or while the request's prefix is being evaluated for another.
   */
  attach(request: Request, isAsking: (request: Request) => boolean): Slot<Request> | undefined {
    const { tokens } = request
    // Free slots go first to the requests that were held back.
    if (this.#slots.free(isAsking) <= this.#heldBack) return undefined
    if (this.isUnderWay(request, isAsking)) {
      this.#heldBack++
      return undefined
    }
    const isOwn = ({ conversation }: Slot<Request>) => conversation?.deref() === request.conversation
    const slot = this.#slots.take(request, tokens, isAsking, { isOwn, isKept: this.#canKeep })
    if (!slot) return undefined
    request.served()
    // The cells of another conversation have seen that one's messages, even where the tokens are the same.
    const canClose = isOwn(slot) && this.#context.info.canShift && !this.#shape.deterministic
    if (request.moved && canClose) this.#close(slot, tokens)
    else this.#bringIn(slot, request)
    slot.conversation = new WeakRef(request.conversation)
    // At least one token must be evaluated: its logits choose the next one. The step itself drops the rest.
    const kept = Math.min(commonPrefix(slot.tokens, tokens), tokens.length - 1)
    slot.keep(this.#shape.deterministic ? wholeSlices(Math.min(kept, slot.inSlices)) : kept)
    return slot
  }

  /** A step is being put together: no request is held back yet. */
  beginStep(): void {
    this.#heldBack = 0
  }

  /** A step was evaluated: keys that waited for one have been moved. */
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
    this.fills.add(slot, this.#context.shift(slot.id, gap.from, gap.to))
    this.#shifting.add(slot)
    slot.tokens.splice(gap.from, gap.to - gap.from)
  }

  #bringIn(slot: Slot<Request>, { tokens, conversation }: Request): void {
    const own = this.#usable(slot.tokens, tokens)
    const other = this.#shape.keepsAll ? this.#longest(slot, tokens) : undefined
    const saved = this.#stateFor(conversation, tokens)
    const inSaved = saved ? this.#usable(saved.tokens, tokens) : 0
    const inOther = other ? this.#usable(other.tokens, tokens) : 0
    // Another conversation is about to lose its tokens.
    const isOthers = slot.conversation?.deref() !== conversation
    if (isOthers && slot.tokens.length >= own + LEAST_REUSED) this.#save(slot)
    if (Math.max(inSaved, inOther) < own + LEAST_REUSED) return
    if (saved && inSaved > inOther) this.#restore(slot, saved, inSaved === saved.tokens.length)
    else if (other) this.#copy(other, slot)
  }

  /** Whether conversations that lose their slots can be brought back. */
  get #keeps(): boolean {
    return this.#states.isOn && this.#shape.keepsAll
  }

  #canKeep = ({ tokens }: Slot<Request>): boolean =>
    this.#keeps && this.#shape.stateBytes(tokens.length) <= this.#states.freeBytes

  /** How many of the cached tokens can be used for `tokens`. */
  #usable(cached: readonly number[], tokens: readonly number[]): number {
    const prefix = commonPrefix(cached, tokens)
    const isWhole = prefix === cached.length && prefix < tokens.length
    return isWhole || this.#shape.rollsBack ? prefix : 0
  }

  /**
   * Whether a running request that is no slower will soon hold more of this one's tokens than any slot or
   * state does now.
   */
  isUnderWay({ tokens, batchSize }: Request, isAsking: (request: Request) => boolean): boolean {
    if (!this.#shape.keepsAll || !this.#shape.rollsBack) return false
    let coming = 0
    for (const { owner } of this.#slots.all)
      if (owner && isAsking(owner) && owner.batchSize >= batchSize)
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
      (error: Error) => void this.#isLost('was not kept', error),
    )
    this.#saving.add(saving)
    void saving.then(() => this.#saving.delete(saving))
  }

  // A state offered to the conversation is used once.
  #stateFor(conversation: object, tokens: readonly number[]): SequenceState | undefined {
    const offered = this.#offered.get(conversation)
    this.#offered.delete(conversation)
    const found = this.#states.find(tokens)?.state
    const better =
      offered && found && this.#usable(found.tokens, tokens) > this.#usable(offered.tokens, tokens)
    return better ? found : (offered ?? found)
  }

  /** Restores `state` when `conversation` next wants a slot. */
  offer(conversation: object, state: SequenceState): void {
    this.#offered.set(conversation, state)
  }

  /**
   * What is cached of `conversation`, which has no turn under way. `tokens` are its tokens as far as they are
   * known; `isBusy` says whether a slot is part of the current step. `undefined` where nothing is cached, or
   * a state would be incomplete.
   */
  async stateOf(
    conversation: object,
    tokens: readonly number[],
    isBusy: (slot: Slot<Request>) => boolean,
  ): Promise<SequenceState | undefined> {
    if (!this.#shape.keepsAll) return undefined
    return this.#held.read(() => this.#read(conversation, tokens, isBusy))
  }

  async #read(
    conversation: object,
    tokens: readonly number[],
    isBusy: (slot: Slot<Request>) => boolean,
  ): Promise<SequenceState | undefined> {
    const slot = this.#slots.all.find((one) => one.conversation?.deref() === conversation)
    if (slot) await this.#context.positions(slot.id) // waits for its last step, which may have been aborted
    if (slot?.conversation?.deref() === conversation && !isBusy(slot) && !this.#shifting.has(slot)) {
      const kept = commonPrefix(slot.tokens, tokens)
      // Tokens that an abort left behind belong to no conversation.
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

  #restore(slot: Slot<Request>, state: SequenceState, isWhole: boolean): void {
    this.#shape.logger.debug(`bringing back a conversation of ${state.tokens.length} tokens`)
    // A conversation that shares only the beginning leaves the state to its owner.
    if (isWhole) this.#states.remove(state)
    this.fills.add(slot, this.#restored(slot.id, state))
    slot.hold(state.tokens, state.inSlices)
  }

  // The next step drops what the state holds beyond its tokens.
  async #restored(id: number, { bytes, tokens }: SequenceState): Promise<boolean> {
    const context = this.#context
    await context.restore(id, bytes)
    return (await context.positions(id)).max >= tokens.length - 1
  }

  #copy(from: Slot<Request>, to: Slot<Request>): void {
    this.#shape.logger.debug(`copying ${from.tokens.length} cached tokens from another conversation`)
    this.fills.add(
      to,
      this.#context.copy(from.id, to.id).then(() => true),
    )
    to.hold(from.tokens, from.inSlices)
  }

  // The conversation is evaluated again. The reason can only be a lack of memory or a closed context.
  #isLost(what: string, { message }: Error): false {
    this.#shape.logger.debug(`the cache of a conversation ${what}: ${message}`)
    return false
  }

  /** Asks the context what a slot holds: part of a failed step may have reached it. */
  async resync(slot: Slot<Request>): Promise<void> {
    // Its positions have moved already, its keys have not.
    if (this.#shifting.delete(slot)) slot.keep(0)
    try {
      const held = (await this.#context.positions(slot.id)).max + 1
      // More than was meant to be kept: recurrent memory holds one state, not one per token. Start over.
      const stuck =
        held > slot.tokens.length && !(await this.#context.remove(slot.id, slot.tokens.length, -1))
      if (stuck) await this.#context.remove(slot.id, 0, -1)
      slot.keep(stuck ? 0 : held)
    } catch {
      slot.keep(0) // closed: the slot is not used again
    }
  }

  async forget(slots: readonly Slot<Request>[]): Promise<void> {
    for (const slot of slots) {
      slot.keep(0)
      await this.resync(slot)
    }
  }
}
