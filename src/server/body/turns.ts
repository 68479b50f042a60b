/** So long slices may follow each other in one turn of the event loop, ms: then streams, timers and sockets have theirs. */
const SLICES_MS = 5

type Waiting = { readonly work: () => void; readonly isAlone: boolean }

// One line for the whole process, as there is one thread.
const line: Waiting[] = []
let isScheduled = false

/**
 * Does what a stranger has caused, and may take some milliseconds of the JavaScript thread, when it is its turn: in the order in
 * which it came, and alone in a turn of the event loop with what its result lets go on. So many requests at once do not stop what
 * else the process does. Rejects with what `work` throws.
 */
export function inTurn<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      try {
        resolve(work())
      } catch (error) {
        reject(error)
      }
    }
    enter({ work: settle, isAlone: true })
  })
}

/** The same of something small that nobody waits for, and that does not throw: several share a turn. */
export function inSlices(work: () => void): void {
  enter({ work, isAlone: false })
}

function enter(waiting: Waiting): void {
  line.push(waiting)
  if (!isScheduled) setImmediate(doSome)
  isScheduled = true
}

function doSome(): void {
  const until = performance.now() + SLICES_MS
  for (let next = line.shift(); next; next = line.shift()) {
    next.work()
    if (next.isAlone || performance.now() > until) break
  }
  isScheduled = line.length > 0
  if (isScheduled) setImmediate(doSome)
}
