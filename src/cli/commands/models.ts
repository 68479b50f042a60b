import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { confirm } from '@clack/prompts'
import { type Command, Option } from 'commander'
import {
  type CatalogEntry,
  DEFAULTS,
  defaultModelPath,
  GPT4All,
  type MemoryPlan,
  printableLine,
} from '../../index.ts'
import { EXIT, Interruption, refuseWords, UsageError } from '../failure.ts'
import { number } from '../flags.ts'
import { signalOf } from '../interrupt.ts'
import { filesOf, placeOf } from '../local-models.ts'
import { paint } from '../styled.ts'
import type { Context } from '../terminal.ts'
import { size, table } from '../terminal.ts'

const EXAMPLES = `
Examples:
  gpt4all-ts models list
  gpt4all-ts models download Llama-3.2-1B-Instruct-Q4_0.gguf
  gpt4all-ts models download hf:bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
  gpt4all-ts models info Llama-3.2-1B-Instruct-Q4_0 --n-ctx 8192
  gpt4all-ts models remove Llama-3.2-1B-Instruct-Q4_0 --yes`

const modelPath = () => new Option('--model-path <folder>', 'models folder (default: ~/.cache/gpt4all)')

function contextOf({ trainedContextSize: trained, largestNCtx: fitting }: MemoryPlan): string {
  if (fitting <= 0) return 'none fits into this memory'
  if (trained === undefined) return `up to ${fitting} tokens fit into this memory`
  return fitting >= trained
    ? `up to ${trained} tokens, its trained length, which fits into this memory`
    : `up to ${fitting} tokens fit into this memory; it was trained on ${trained}`
}

/** 135M, 8.0B */
function counted(parameters: number): string {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(1)}B`
  return parameters >= 1e6 ? `${Math.round(parameters / 1e6)}M` : String(parameters)
}

/** What models do that write no text. */
const USES: Readonly<Record<string, string>> = { embeddings: 'makes embeddings', ranking: 'ranks documents' }

export function addModels(program: Command, context: Context): void {
  const models = program
    .command('models')
    .summary('list, download, verify and remove models')
    .description('Manages the models on the disk, and downloads those that GPT4All publishes.')
    .addHelpText('after', EXAMPLES)
  for (const add of [addList, addDownload, addVerify, addInfo, addConvert, addRemove]) add(models, context)
}

function addList(models: Command, { terminal }: Context): void {
  models
    .command('list', { isDefault: true })
    .description(
      'Lists the models on the disk, and those that can be downloaded. Exits with 4 if the latter are not known.',
    )
    .allowExcessArguments() // a word that is not a command comes here
    .addOption(modelPath())
    .option('--local', 'only models on the disk, without using the network')
    .option('--json', 'as JSON')
    .action(async (values, { args }: Command) => {
      refuseWords(args, models)
      const { result, note } = terminal()
      if (values.modelPath !== undefined && !existsSync(values.modelPath))
        throw new UsageError(`The folder ${values.modelPath} does not exist.`)
      const signal = signalOf()
      const lying = await GPT4All.localModels(values.modelPath, { signal })
      const local = lying.map(({ filename, path, filesize, modified, problem, description }) => ({
        ...{ name: filename, path, bytes: filesize, changed: modified },
        ...(description?.purpose && { purpose: description.purpose }),
        ...(problem && { problem: problem.message }),
      }))
      const known: CatalogEntry[] = values.local
        ? []
        : await GPT4All.listModels({ signal }).catch((error: Error) => {
            note(`GPT4All's list of models cannot be read: ${error.message}`)
            process.exitCode = EXIT.download
            return []
          })
      const remote = known.filter(({ filename }) => !local.some(({ name }) => name === filename))
      if (values.json) return result(JSON.stringify({ local, remote }, undefined, 2))
      result(paint('bold', `On the disk, in ${values.modelPath ?? defaultModelPath()}:`))
      const rows = local.map(({ name, bytes, problem, purpose }) => [
        `  ${name}`,
        size(bytes),
        problem === undefined ? (USES[purpose ?? 'text'] ?? '') : 'cannot be used; `models info` shows why',
      ])
      result(rows.length > 0 ? table(rows) : '  none')
      if (remote.length === 0) return
      result('\n', paint('bold', 'Available for download:'))
      result(
        table(
          remote.map(({ filename, filesize, ramrequired, name }) => [
            `  ${filename}`,
            filesize ? size(filesize) : '',
            ramrequired ? `${ramrequired} GB RAM` : '',
            name ?? '',
          ]),
        ),
      )
    })
}

function addDownload(models: Command, { terminal }: Context): void {
  models
    .command('download <name>')
    .description(
      "Downloads a model from GPT4All's list, from Hugging Face or from a URL; an interrupted download resumes.",
    )
    .addOption(modelPath())
    .option('--url <url>', 'URL of the file, if the model is not in the list')
    .option('--sha256sum <hex>', 'expected SHA-256 of the file')
    .option('--md5sum <hex>', 'expected MD5 of the file, as published by GPT4All')
    .option('-f, --force', 'download it again even if it is on the disk')
    .action(async (name: string, values) => {
      const { data, progress } = terminal()
      const { modelPath, url, sha256sum, md5sum, force } = values
      if (url !== undefined && !URL.canParse(url)) throw new UsageError(`--url expects a URL, not "${url}".`)
      const options = { modelPath, url, sha256sum, md5sum, force, ...progress, signal: signalOf() }
      await GPT4All.downloadModel(name, options)
      const { path } = await GPT4All.retrieveModel(name, { modelPath, allowDownload: false, ...progress })
      data(path)
    })
}

function addVerify(models: Command, { terminal }: Context): void {
  models
    .command('verify <name>')
    .description('Compares the checksum of the file with the given one, or with the published one.')
    .addOption(modelPath())
    .option('--sha256sum <hex>', 'expected SHA-256 of the file')
    .option('--md5sum <hex>', 'expected MD5 of the file, as published by GPT4All')
    .action(async (name: string, values) => {
      const { result, progress } = terminal()
      const { sha256sum, md5sum } = values
      const place = placeOf(name, values.modelPath)
      const options = { modelPath: place.modelPath, sha256sum, md5sum, ...progress, signal: signalOf() }
      const { path, algorithm, digest } = await GPT4All.verifyModel(place.name, options)
      result(`${path}: the checksum matches (${algorithm} ${digest})`)
    })
}

function addInfo(models: Command, { terminal }: Context): void {
  models
    .command('info <name>')
    .description('Describes a model on the disk, and the memory that it needs.')
    .addOption(modelPath())
    .addOption(new Option('-c, --n-ctx <tokens>', 'context size in tokens (default: 2048)').argParser(number))
    .option('--json', 'as JSON')
    .action(async (name: string, values) => {
      const { result, progress } = terminal()
      const { nCtx } = values
      const signal = signalOf()
      const place = placeOf(name, values.modelPath)
      const options = { modelPath: place.modelPath, allowDownload: false, ...progress, signal }
      const { path, ...entry } = await GPT4All.retrieveModel(place.name, options)
      const about = await GPT4All.describeModel(path, { signal })
      const memory = await GPT4All.estimateMemory(path, { nCtx, signal })
      if (values.json) return result(JSON.stringify({ ...entry, ...about, memory }, undefined, 2))
      const { architecture, quantization, parameters, chatTemplate } = about
      result(
        table([
          ['file', `${about.path}, ${size(about.filesize)}`],
          ['name', about.name],
          ['model', `${architecture}, ${counted(parameters)} parameters, ${quantization}`],
          ['chat template', chatTemplate === undefined ? 'none in the file' : 'in the file'],
          ['weights', size(memory.weights)],
          ['cache', `${size(memory.kvCache)} for ${nCtx ?? DEFAULTS.nCtx} tokens of context`],
          ['total', `${size(memory.total)}; ${size(memory.available)} are available`],
          ['context', contextOf(memory)],
        ]),
      )
    })
}

function addConvert(models: Command, { terminal }: Context): void {
  models
    .command('convert <name>')
    .description('Converts a pre-GGUF .bin file, and prints the path of the result.')
    .addOption(modelPath())
    .action(async (name: string, values) => {
      const { data, note, progress } = terminal()
      const place = placeOf(name, values.modelPath)
      const options = {
        modelPath: place.modelPath,
        allowDownload: false,
        ...progress,
        signal: signalOf(),
      }
      const { path } = await GPT4All.retrieveModel(place.name, options)
      if (basename(path).replace(/\.gguf$/, '') === basename(place.name).replace(/\.gguf$/, ''))
        note('This is already a GGUF file; there is nothing to convert.')
      data(path)
    })
}

function addRemove(models: Command, { terminal }: Context): void {
  models
    .command('remove <name>')
    .description(
      'Deletes a model from the folder: its file, or all parts of a split model, and their catalog entries.',
    )
    .addOption(modelPath())
    .option('-y, --yes', 'do not ask for confirmation; required if stdin is not a terminal')
    .action(async (name: string, values) => {
      const { result } = terminal()
      const paths = await filesOf(name, values.modelPath)
      if (!values.yes) {
        if (process.stdin.isTTY !== true)
          throw new UsageError(`This would delete ${paths.join(', ')}. Confirm it with --yes.`)
        const sure = await confirm({
          message: `Delete ${paths.map(printableLine).join(', ')}?`,
          initialValue: false,
        })
        if (sure !== true) throw new Interruption('kept')
      }
      for (const path of paths) {
        await rm(path)
        await rm(`${path}.json`, { force: true })
        result(`Deleted ${path}`)
      }
    })
}
