#!/usr/bin/env node
import { Interrupted, tell } from './failure.ts'
import { makeProgram } from './program.ts'
import { paint } from './terminal.ts'

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
    if (message) process.stderr.write(`${paint('red', 'error:', process.stderr)} ${message}\n`)
    if (hint) process.stderr.write(`${hint}\n`)
    if (program.opts().verbose && !(error instanceof Interrupted)) console.error(error)
    process.exitCode = code
  }
}

void main()
