import { addAbortSignal, type Readable } from 'node:stream'
import { UsageError } from './failure.ts'

/** Characters of a line; far more than any model reads. */
const MOST_CHARACTERS = 64 * 2 ** 20

/** The lines of an input as they come; the last one may lack its line feed. Only line feeds end a line. */
export async function* linesOf(input: Readable, signal: AbortSignal): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of addAbortSignal(signal, input) as AsyncIterable<Buffer>) {
      const [first = '', ...others] = decoder.decode(chunk, { stream: true }).split('\n')
      rest += first
      for (const next of others) {
        yield withoutReturn(rest)
        rest = next
      }
      if (rest.length > MOST_CHARACTERS)
        throw new UsageError(
          `A line of the input has more than ${MOST_CHARACTERS / 2 ** 20} million characters.`,
        )
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  rest += decoder.decode()
  if (rest !== '') yield withoutReturn(rest)
}

const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)
