/**
 * Slots: the sequences of a context's KV cache, and which tokens each holds. A conversation borrows one while it
 * generates; the tokens stay behind for whoever continues them.
 */
export class Slot<Owner extends object> {
  /** The tokens whose keys and values the cache holds, in order. */
  readonly tokens: number[] = []
  owner: Owner | undefined
  /** What the tokens belong to. */
  conversation: WeakRef<object> | undefined
  /** Of `tokens`, those that were evaluated as parts of a prompt, not one by one as they were drawn. */
  inSlices = 0
  /** When the owner last asked for a step, `performance.now()`. */
  lastUsed = 0

  constructor(readonly id: number) {}

  /** It was given what another holds. */
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

/** Fewer tokens are not worth a copy of the whole state they belong to. */
export const LEAST_REUSED = 32

/** After this long without a step, ms, an owner that does not pull (a slow reader) may lose its slot to one that waits. */
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

  /** How many could be taken now. */
  free(isWaiting: (owner: Owner) => boolean): number {
    const now = performance.now()
    return this.all.filter((slot) => isFree(slot, now, isWaiting)).length
  }

  /**
   * The slot for `owner`, who needs `tokens`: of those free or idle one where nobody loses more than a few tokens, then the one
   * with the longest common prefix, then one beside a busy slot (llama.cpp evaluates neighbours together, others one by one) unless
   * a conversation would be lost for that, then the least recently used. `undefined` when all are busy. `isWaiting` tells whether
   * an owner has asked for a step, `isOwn` whether what a slot holds is of the same conversation, `isKept` whether it can be
   * brought back.
   */
  take(
    owner: Owner,
    tokens: readonly number[],
    isWaiting: (owner: Owner) => boolean,
    { isOwn, isKept }: Worth<Owner>,
  ): Slot<Owner> | undefined {
    const now = performance.now()
    const isBusy = (id: number) => this.all[id]?.owner !== undefined
    let best: Candidate<Owner> | undefined
    for (const slot of this.all) {
      if (!isFree(slot, now, isWaiting)) continue
      const prefix = commonPrefix(slot.tokens, tokens)
      const loses = slot.tokens.length >= prefix + LEAST_REUSED && !isOwn(slot)
      const isBeside = (!loses || isKept(slot)) && (isBusy(slot.id - 1) || isBusy(slot.id + 1))
      const candidate = { slot, loses, prefix, isBeside }
      if (!best || isBetter(candidate, best)) best = candidate
    }
    if (best) best.slot.owner = owner
    return best?.slot
  }

  /** Milliseconds until some owner counts as idle; `undefined` when none of them could become so. */
  untilIdle(isWaiting: (owner: Owner) => boolean): number | undefined {
    const now = performance.now()
    const waits = this.all
      .filter((slot) => slot.owner && !isWaiting(slot.owner))
      .map((slot) => Math.max(1, slot.lastUsed + IDLE_MS - now))
    return waits.length ? Math.min(...waits) : undefined
  }
}

/** What a slot holds, and what it is worth to whom. */
type Worth<Owner extends object> = {
  readonly isOwn: (slot: Slot<Owner>) => boolean
  readonly isKept: (slot: Slot<Owner>) => boolean
}

type Candidate<Owner extends object> = {
  readonly slot: Slot<Owner>
  /** Another conversation gives way. */
  readonly loses: boolean
  readonly prefix: number
  /** A neighbour is busy, and little is lost here. */
  readonly isBeside: boolean
}

function isBetter<Owner extends object>(one: Candidate<Owner>, other: Candidate<Owner>): boolean {
  if (one.loses !== other.loses) return other.loses
  if (one.prefix !== other.prefix) return one.prefix > other.prefix
  if (one.isBeside !== other.isBeside) return one.isBeside
  return one.slot.lastUsed < other.slot.lastUsed
}

function isFree<Owner extends object>(
  slot: Slot<Owner>,
  now: number,
  isWaiting: (owner: Owner) => boolean,
): boolean {
  return !slot.owner || (!isWaiting(slot.owner) && now - slot.lastUsed >= IDLE_MS)
}

/** Length of the longest common prefix. */
export function commonPrefix<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  const end = Math.min(a.length, b.length)
  let i = 0
  while (i < end && a[i] === b[i]) i++
  return i
}

/** Fewer tokens than this are not worth moving, and may be alike by chance. */
const LEAST_MOVED = 16

/**
 * Where tokens must be taken out of `cached` so that more of it is the beginning of `wanted`: positions `from` up to
 * `to`. Of several ways the one that keeps most.
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
