import { unlessAborted } from '../core/async.ts'
import { optionError } from '../core/errors.ts'

/**
 * Texts of `source` in arrays of up to `most`: of fewer where the source keeps its next text waiting. Ends the
 * source when it is left.
 * @throws {TypeError} `ERR_OPTION` for what is no text, and `signal.reason` when aborted
 */
export async function* windowsOf(
  source: Iterable<string> | AsyncIterable<string>,
  most: number,
  signal: AbortSignal,
): AsyncGenerator<string[], void, undefined> {
  const iterator = iteratorOf(source)
  let window: string[] = []
  let isWaiting = false
  try {
    for (;;) {
      const next = iterator.next()
      isWaiting = next instanceof Promise
      if (isWaiting && window.length > 0 && (await isLate(next))) {
        yield window
        window = []
      }
      signal.throwIfAborted()
      const { done, value } = next instanceof Promise ? await unlessAborted(next, signal) : next
      isWaiting = false
      if (done) break
      if (typeof value !== 'string') throw optionError('texts', 'an iterable of strings', value)
      window.push(value)
      if (window.length < most) continue
      yield window
      window = []
    }
    if (window.length > 0) yield window
  } catch (error) {
    if (window.length > 0 && !signal.aborted) yield window // came before it
    throw error
  } finally {
    // A source that keeps its next text waiting keeps its end waiting too.
    const ended = Promise.resolve(iterator.return?.())
    if (isWaiting) ended.catch(() => {})
    else await ended
  }
}

function iteratorOf(source: unknown): Iterator<string> | AsyncIterator<string> {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(source) as Partial<
    AsyncIterable<string> & Iterable<string>
  >
  if (typeof source === 'string' || (!later && !now))
    throw optionError('texts', 'an iterable of strings', source)
  return later ? later.call(source as AsyncIterable<string>) : now!.call(source as Iterable<string>)
}

/** Whether the promise is still pending in the next turn of the event loop. */
function isLate(promise: unknown): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setImmediate(resolve, true)
    const arrived = () => {
      clearImmediate(late)
      resolve(false)
    }
    Promise.resolve(promise).then(arrived, arrived)
  })
}
