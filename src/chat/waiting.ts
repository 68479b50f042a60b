import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isThenable } from '../core/async.ts'
import { GPT4AllError } from '../core/errors.ts'
import type { ReaderWatch } from '../generation/source.ts'

/** Code that a turn of `session` waits for, while it is `pending`. */
type WaitedFor = {
  /** `undefined` after the end, as contexts outlive it. */
  session: object | undefined
  readonly what: 'callback' | 'loop'
  pending: boolean
  /** How many pieces a loop has asked for. */
  asked: number
  /** Such code around this one, of another session or turn. */
  outer: WaitedFor | undefined
}

/**
 * How long a loop may leave its next piece while another turn waits: it may be busy with something else, and the code
 * that waits may be other code, begun where the loop was.
 */
const LOOP_MS = 5000

/** Set while such code runs, in everything that it calls and awaits. */
const waitedFor = new AsyncLocalStorage<WaitedFor>()

/** The code of that kind, from here outwards. */
function* around(from: WaitedFor | undefined): Generator<WaitedFor, void, void> {
  for (let code = from; code; code = code.outer) if (code.session) yield code
}

/** `callback`, marked as belonging to a turn of `session`. */
export function markCallback<Given extends unknown[]>(
  session: object,
  callback: ((...given: Given) => unknown) | undefined,
): ((...given: Given) => unknown) | undefined {
  if (!callback) return undefined
  return (...given) => {
    const [outer] = around(waitedFor.getStore())
    const call: WaitedFor = { session, what: 'callback', pending: true, asked: 0, outer }
    const settle = () => {
      call.pending = false
      call.session = undefined
    }
    let answer: unknown
    try {
      answer = waitedFor.run(call, () => {
        const returned = callback(...given)
        return isThenable(returned) ? Promise.resolve(returned) : returned // its then() is called in here, too
      })
    } finally {
      if (!(answer instanceof Promise)) settle()
    }
    return answer instanceof Promise ? answer.finally(settle) : answer
  }
}

/**
 * Marks the loops over a turn of `session`: what is between two pieces is code that the turn waits for. A loop
 * asks for a piece in its own async context, which is how its body is found.
 */
export function watchLoop(session: object): ReaderWatch {
  const loop: WaitedFor = { session, what: 'loop', pending: false, asked: 0, outer: undefined }
  let isOver = false
  return {
    asks() {
      loop.pending = false
      loop.asked++
      const store = waitedFor.getStore()
      if (isOver || store === loop) return
      const all = [...around(store)]
      if (!all.includes(loop)) loop.outer = all[0]
      waitedFor.enterWith(loop)
    },
    has() {
      loop.pending = !isOver
    },
    leaves() {
      loop.pending = false
    },
    ends() {
      isOver = true
      loop.pending = false
      loop.session = undefined
    },
  }
}

/**
 * Waits for `turn`, which lets a turn of `session` begin.
 * @throws {GPT4AllError} `ERR_BUSY`, once that is clear, where the caller is code that an earlier turn waits for
 */
export async function enterTurn(session: object, turn: () => Promise<() => void>): Promise<() => void> {
  const waiting = [...around(waitedFor.getStore())].filter((code) => code.session === session && code.pending)
  if (waiting.some(({ what }) => what === 'callback')) throw new GPT4AllError('ERR_BUSY', IN_CALLBACK)
  const [loop] = waiting
  if (!loop) return turn()
  const { asked } = loop
  const entered = turn()
  const timer = new AbortController()
  const late = sleep(LOOP_MS, true, { signal: timer.signal }).catch(() => false)
  const isLate = await Promise.race([entered.then(() => false), late])
  timer.abort()
  // A loop that has asked for its next piece did not wait for this turn.
  if (!isLate || !loop.pending || loop.asked !== asked) return entered
  void entered.then((leave) => leave())
  throw new GPT4AllError('ERR_BUSY', IN_LOOP)
}

const IN_CALLBACK = 'A callback cannot wait for another turn of its session: the turn waits for the callback.'
const IN_LOOP = `The loop over a turn cannot wait for another turn of its session: the turn ends after the loop, which has not asked for a piece in ${LOOP_MS / 1000} s. Start the other one after the loop, or in another session.`
