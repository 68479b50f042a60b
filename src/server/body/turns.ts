/** How long slices may share a turn of the event loop, ms, before streams, timers and sockets get one. */
const SLICES_MS = 5

type QueuedWork = { readonly work: () => void; readonly isAlone: boolean }

// One queue for the whole process, because there is one thread.
const line: QueuedWork[] = []
let isScheduled = false

/**
 * Does work that a client has caused and that may block the JavaScript thread for milliseconds: in order of
 * arrival, and in a turn of the event loop that it shares only with what awaits its result. Many requests at
 * once then do not stop the rest of the process. Rejects with what `work` throws.
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

/** The same for small work that is not awaited and does not throw: several pieces share a turn. */
export function inSlices(work: () => void): void {
  enter({ work, isAlone: false })
}

function enter(waiting: QueuedWork): void {
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
