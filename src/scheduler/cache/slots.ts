/**
 * A sequence of a context's KV cache, and the tokens it holds. A request borrows it while it generates;
 * afterwards the tokens stay for any request that continues them.
 */
export class Slot<Owner extends object> {
  /** The tokens whose keys and values the cache holds, in order. */
  readonly tokens: number[] = []
  owner: Owner | undefined
  /** The conversation that the tokens belong to. */
  conversation: WeakRef<object> | undefined
  /**
   * How many of `tokens`, at the start, were evaluated as parts of a prompt, not one by one as they were
   * drawn.
   */
  inSlices = 0
  /** When a step with it was last put together, or ended, `performance.now()`. */
  lastUsed = 0

  constructor(readonly id: number) {}

  /** The slot was filled with `tokens`, from another slot or a state. */
  hold(tokens: readonly number[], inSlices: number): void {
    this.tokens.length = 0
    for (const token of tokens) this.tokens.push(token)
    this.inSlices = inSlices
  }

  /** Forgets all but the first `count` tokens. */
  keep(count: number): void {
    this.tokens.length = Math.min(count, this.tokens.length)
    this.inSlices = Math.min(count, this.inSlices)
  }
}

/** The fewest tokens worth copying a whole state for. */
export const LEAST_REUSED = 32

/**
 * After this long without a step, ms, an owner that does not ask (its reader is slow) may lose its slot to a
 * waiting one.
 */
const IDLE_MS = 100

export class Slots<Owner extends object> {
  readonly all: Slot<Owner>[] = []

  constructor(count: number) {
    this.grow(count)
  }

  /** Adds empty slots, up to `count` of them in all. */
  grow(count: number): void {
    while (this.all.length < count) this.all.push(new Slot<Owner>(this.all.length))
  }

  of(owner: Owner): Slot<Owner> | undefined {
    return this.all.find((slot) => slot.owner === owner)
  }

  /** How many slots could be taken now. */
  free(isAsking: (owner: Owner) => boolean): number {
    const now = performance.now()
    return this.all.filter((slot) => isFree(slot, now, isAsking)).length
  }

  /**
   * Takes the best free or idle slot for `owner`, which needs `tokens`: preferably one where no other
   * conversation loses more than a few tokens, then the one with the longest common prefix, then one beside a
   * busy slot (llama.cpp evaluates neighbours together, others one by one) unless that would cost a
   * conversation, then the least recently used. `undefined` when all are busy. `isAsking` says whether an
   * owner has asked for a step, `isOwn` whether a slot's tokens belong to the same conversation, `isKept`
   * whether they can be brought back.
   */
  take(
    owner: Owner,
    tokens: readonly number[],
    isAsking: (owner: Owner) => boolean,
    { isOwn, isKept }: SlotValue<Owner>,
  ): Slot<Owner> | undefined {
    const now = performance.now()
    const isBusy = (id: number) => this.all[id]?.owner !== undefined
    let best: SlotCandidate<Owner> | undefined
    for (const slot of this.all) {
      if (!isFree(slot, now, isAsking)) continue
      const prefix = commonPrefix(slot.tokens, tokens)
      const loses = slot.tokens.length >= prefix + LEAST_REUSED && !isOwn(slot)
      const isBeside = (!loses || isKept(slot)) && (isBusy(slot.id - 1) || isBusy(slot.id + 1))
      const candidate = { slot, loses, prefix, isBeside }
      if (!best || isBetter(candidate, best)) best = candidate
    }
    if (best) best.slot.owner = owner
    return best?.slot
  }

  /** Milliseconds until an owner counts as idle; `undefined` when none can become idle. */
  untilIdle(isAsking: (owner: Owner) => boolean): number | undefined {
    const now = performance.now()
    const waits = this.all
      .filter((slot) => slot.owner && !isAsking(slot.owner))
      .map((slot) => Math.max(1, slot.lastUsed + IDLE_MS - now))
    return waits.length ? Math.min(...waits) : undefined
  }
}

/** What a slot's tokens are worth; see `Slots.take()`. */
type SlotValue<Owner extends object> = {
  readonly isOwn: (slot: Slot<Owner>) => boolean
  readonly isKept: (slot: Slot<Owner>) => boolean
}

type SlotCandidate<Owner extends object> = {
  readonly slot: Slot<Owner>
  /** Another conversation would lose its tokens. */
  readonly loses: boolean
  readonly prefix: number
  /** A neighbour is busy, and taking this slot loses little. */
  readonly isBeside: boolean
}

function isBetter<Owner extends object>(one: SlotCandidate<Owner>, other: SlotCandidate<Owner>): boolean {
  if (one.loses !== other.loses) return other.loses
  if (one.prefix !== other.prefix) return one.prefix > other.prefix
  if (one.isBeside !== other.isBeside) return one.isBeside
  return one.slot.lastUsed < other.slot.lastUsed
}

function isFree<Owner extends object>(
  slot: Slot<Owner>,
  now: number,
  isAsking: (owner: Owner) => boolean,
): boolean {
  return !slot.owner || (!isAsking(slot.owner) && now - slot.lastUsed >= IDLE_MS)
}

/** Length of the longest common prefix. */
export function commonPrefix<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  const end = Math.min(a.length, b.length)
  let i = 0
  while (i < end && a[i] === b[i]) i++
  return i
}

/** The fewest tokens worth moving; fewer may be alike by chance. */
const LEAST_MOVED = 16

/**
 * The tokens to take out of `cached`, from position `from` up to `to`, so that more of it is the beginning of
 * `wanted`; of several such gaps, the one that keeps most.
 */
export function findGap(
  cached: readonly number[],
  wanted: readonly number[],
): { readonly from: number; readonly to: number } | undefined {
  const from = commonPrefix(cached, wanted)
  let best = { to: from, length: LEAST_MOVED - 1 }
  for (let to = from + 1; to + best.length < cached.length; to++) {
    let length = 0
    while (from + length < wanted.length && cached[to + length] === wanted[from + length]) length++
    if (length > best.length) best = { to, length }
  }
  return best.to > from ? { from, to: best.to } : undefined
}
