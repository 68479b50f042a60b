import { Command } from 'commander'
import { printable, VERSION } from '../index.ts'
import { addBench } from './commands/bench.ts'
import { addChat } from './commands/chat.ts'
import { addCompletion } from './commands/completion.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEmbed } from './commands/embed.ts'
import { addGenerate } from './commands/generate.ts'
import { addModels } from './commands/models.ts'
import { addServe } from './commands/serve.ts'
import { type Context, openTerminal } from './terminal.ts'

const ENDS = `
Exit codes: 0 done, 1 failed, 2 usage error, 3 no usable model, 4 download failed, 5 too little memory or disk,
130 interrupted. Results go to stdout, everything else to stderr. NO_COLOR turns colours off.`

/** The command line, with all its commands. */
export function makeCommandLine(): Command {
  const program = new Command('gpt4all-ts')
  const context: Context = { terminal: () => openTerminal(program.opts()) }
  program
    .description('Runs language models on this machine.')
    .version(VERSION)
    .option('-q, --quiet', 'print only results and errors', false)
    .option('--verbose', 'print details, and where an error comes from', false)
    .addHelpText('after', ENDS)
    .exitOverride()
    // Its messages may quote arguments.
    .configureOutput({ writeErr: (text) => void process.stderr.write(printable(text)) })
    .showHelpAfterError('`--help` lists the options.')
  const commands = [addChat, addGenerate, addEmbed, addModels, addServe, addBench, addDoctor, addCompletion]
  for (const add of commands) add(program, context)
  return program
}
