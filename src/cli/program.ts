import { Command } from 'commander'
import { printable, VERSION } from '../index.ts'
import { addBench } from './bench.ts'
import { addChat } from './chat.ts'
import { addCompletion } from './completion.ts'
import { addDoctor } from './doctor.ts'
import { addGenerate } from './generate.ts'
import { addModels } from './models.ts'
import { addServe } from './serve.ts'
import { openTerminal, type Terminal } from './terminal.ts'

/** What the commands share. */
export type Context = { readonly terminal: () => Terminal }

const ENDS = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no usable model, 4 download failed, 5 too little memory or disk,
130 interrupted. Results go to stdout, all else to stderr. NO_COLOR switches colours off.`

/** The command line, with all its commands. */
export function makeProgram(): Command {
  const program = new Command('gpt4all-ts')
  const context: Context = { terminal: () => openTerminal(program.opts()) }
  program
    .description('Runs language models on this machine.')
    .version(VERSION)
    .option('-q, --quiet', 'nothing but results and errors', false)
    .option('--verbose', 'tell what is going on, and where an error comes from', false)
    .addHelpText('after', ENDS)
    .exitOverride()
    // What it tells of arguments may quote them.
    .configureOutput({ writeErr: (text) => void process.stderr.write(printable(text)) })
    .showHelpAfterError('`--help` tells the options.')
  for (const add of [addChat, addGenerate, addModels, addServe, addBench, addDoctor, addCompletion])
    add(program, context)
  return program
}
