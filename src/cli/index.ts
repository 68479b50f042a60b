#!/usr/bin/env node
import { inspect } from 'node:util'
import { Interrupted, tell } from './failure.ts'
import { makeProgram } from './program.ts'
import { paint, tell as tellLine } from './terminal.ts'

async function main(): Promise<void> {
  const program = makeProgram()
  // The reader of the output may close it early, such as `| head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  // If the reader of the log has gone, work continues.
  process.stderr.on('error', () => {})
  try {
    await program.parseAsync()
  } catch (error) {
    const { code, message, hint } = tell(error)
    if (message) tellLine(paint('red', 'error:'), ` ${message}`)
    if (hint) tellLine(hint)
    if (program.opts().verbose && !(error instanceof Interrupted)) tellLine(inspect(error))
    process.exitCode = code
  }
}

void main()
