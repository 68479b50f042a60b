#!/usr/bin/env node
import { inspect } from 'node:util'
import { Interrupted, tell } from './failure.ts'
import { makeProgram } from './program.ts'
import { paint, tell as tellLine } from './terminal.ts'

async function main(): Promise<void> {
  const program = makeProgram()
  // Who reads the output has enough: `| head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  // Who read the log has gone: whatever is under way goes on.
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
