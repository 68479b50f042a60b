import type { Command, Option } from 'commander'
import { UsageError } from '../failure.ts'
import type { Context } from '../terminal.ts'

const HELP = `
Examples:
  source <(gpt4all-ts completion bash)                                  in ~/.bashrc
  source <(gpt4all-ts completion zsh)                                   in ~/.zshrc
  gpt4all-ts completion fish > ~/.config/fish/completions/gpt4all-ts.fish`

export function addCompletion(program: Command, { terminal }: Context): void {
  program
    .command('completion <shell>')
    .summary('print a completion script for a shell')
    .description('Prints a script that lets bash, zsh or fish complete commands and flags.')
    .addHelpText('after', HELP)
    .action((shell: string) => {
      const write = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
      if (!write)
        throw new UsageError(
          `There is no completion script for "${shell}". Choose one of ${Object.keys(SCRIPTS).join(', ')}.`,
        )
      terminal().data(write(program))
    })
}

const SCRIPTS: Readonly<Record<string, (program: Command) => string>> = {
  bash,
  zsh: (program) => `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`,
  fish,
}

/** A command, and the words that lead to it. */
type Place = { readonly words: readonly string[]; readonly command: Command }

function places(command: Command, words: readonly string[] = []): Place[] {
  const below = command.commands.flatMap((one) => places(one, [...words, one.name()]))
  return [{ words, command }, ...below]
}

const flagsOf = ({ options }: Command): string[] => [...options.map(({ long }) => long ?? ''), '--help']
const namesOf = ({ commands }: Command): string[] => commands.map((one) => one.name())

/**
 * The words so far, without flags, choose the list of words; after a flag with a value, files are offered.
 */
function bash(program: Command): string {
  const cases = places(program).map(({ words, command }) => {
    const offered = [...namesOf(command), ...flagsOf(command)]
    return `    '${words.join(' ')}') words='${offered.join(' ')}' ;;`
  })
  const withValue = places(program).flatMap(({ command }) =>
    command.options.filter(({ required }) => required),
  )
  const flags = [...new Set(withValue.flatMap(({ short, long }) => [short, long]).filter(Boolean))]
  return `_gpt4all_ts() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path='' word words=''
  case $before in ${flags.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path:$word" in
${places(program)
  .flatMap(({ words, command }) => namesOf(command).map((name) => `      '${words.join(' ')}:${name}')`))
  .map((pattern) => `${pattern} path="\${path:+$path }$word" ;;`)
  .join('\n')}
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _gpt4all_ts gpt4all-ts`
}

function fish(program: Command): string {
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`
  const line = (condition: string, rest: string) => `complete -c gpt4all-ts -n ${quote(condition)} ${rest}`
  const flag = (condition: string, { short, long, description, required }: Option) =>
    line(
      condition,
      [
        ...(short ? [`-s ${short.slice(1)}`] : []),
        ...(long ? [`-l ${long.slice(2)}`] : []),
        ...(required ? ['-r'] : []),
        `-d ${quote(description)}`,
      ].join(' '),
    )
  return places(program)
    .flatMap(({ words, command }) => {
      const last = words.at(-1)
      const condition = last ? `__fish_seen_subcommand_from ${last}` : '__fish_use_subcommand'
      const names = command.commands.map((one) =>
        line(condition, `-f -a ${one.name()} -d ${quote(one.summary() || one.description())}`),
      )
      return [...names, ...command.options.map((option) => flag(condition, option))]
    })
    .join('\n')
}
