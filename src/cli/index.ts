#!/usr/bin/env node
import { inspect } from 'node:util'
import { makeCommandLine } from './command-line.ts'
import { describeFailure, EXIT, Interruption } from './failure.ts'
import { paint } from './styled.ts'
import { toStderr } from './terminal.ts'

async function main(): Promise<void> {
  const program = makeCommandLine()
  // The reader of the output may close it early, such as `| head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    toStderr(paint('red', 'error:'), ` The output cannot be written: ${error.message}`)
    process.exit(error.code === 'ENOSPC' ? EXIT.resources : EXIT.failure)
  })
  // If the reader of the log has gone, work continues.
  process.stderr.on('error', () => {})
  try {
    await program.parseAsync()
  } catch (error) {
    const { code, message, hint } = describeFailure(error)
    if (message) toStderr(paint('red', 'error:'), ` ${message}`)
    if (hint) toStderr(hint)
    if (program.opts().verbose && !(error instanceof Interruption)) toStderr(inspect(error))
    process.exitCode = code
  }
}

void main()
