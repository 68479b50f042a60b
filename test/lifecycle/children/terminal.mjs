// node terminal.mjs COMMAND: runs it in a pseudo terminal; what it draws goes to stdout.
import { spawn } from 'node:child_process'

spawn('script', ['-qec', process.argv[2], '/dev/null'], { stdio: ['ignore', 'inherit', 'inherit'] }).on(
  'exit',
  (code) => {
    process.exitCode = code ?? 1
    process.disconnect()
  },
)
