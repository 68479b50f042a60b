import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { defaultModelPath, GPT4All } from '../../index.ts'
import { isHubName } from '../../models/hub/name.ts'
import { risksOf } from '../file-risks.ts'
import { filesOf, placeOf } from '../local-models.ts'
import { paint } from '../styled.ts'
import type { Context } from '../terminal.ts'
import { size } from '../terminal.ts'

/** The result of one check. */
type Finding = { readonly what: string; readonly found: string; readonly isFine: boolean }

export function addDoctor(program: Command, { terminal }: Context): void {
  program
    .command('doctor')
    .summary('check this machine and this installation')
    .description(
      'Checks this machine and this installation, and reports what is missing. Exits with 1 if something is.',
    )
    .option(
      '-m, --model <name>',
      'also check this model: whether it is on the disk, whether it fits into memory, and what could change its file',
    )
    .option('--model-path <folder>', 'models folder (default: ~/.cache/gpt4all)')
    .option('--json', 'as JSON')
    .action(async (values) => {
      const { result } = terminal()
      const findings: Finding[] = []
      // One after the other, since an addon that does not fit may end this program.
      for (const look of [machine, addon, () => folder(values.modelPath), () => aboutModel(values)])
        for (const finding of await look()) {
          findings.push(finding)
          if (!values.json)
            result(finding.isFine ? paint('green', 'ok') : paint('red', 'no'), lineOf(finding))
        }
      if (values.json) result(JSON.stringify(findings, undefined, 2))
      if (findings.some(({ isFine }) => !isFine)) process.exitCode = 1
    })
}

/** Wide enough for all that is looked at. */
const WIDTH = 13

const lineOf = ({ what, found }: Finding) => `  ${what.padEnd(WIDTH)}  ${found}`

const fine = (what: string, found: string): Finding => ({ what, found, isFine: true })
const wrong = (what: string, found: string): Finding => ({ what, found, isFine: false })

function machine(): Finding[] {
  const { platform, arch, version } = process
  const cpu = cpus()[0]?.model.trim() ?? 'unknown'
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  return [
    (major > 20 || (major === 20 && minor >= 12) ? fine : wrong)(
      'Node.js',
      `${version}, ${platform} ${arch}`,
    ),
    fine('processor', `${cpu}, ${availableParallelism()} usable cores`),
    fine('memory', `${size(totalmem())}, ${size(freemem())} free`),
  ]
}

function addon(): Finding[] {
  try {
    const { file, llamaVersion, features, kernels, backends } = GPT4All.systemInfo()
    const devices = GPT4All.listDevices().map(({ name, description }) => `${name} (${description.trim()})`)
    return [
      fine('addon', file),
      fine('llama.cpp', `${llamaVersion}, for ${backends.join(', ')}`),
      fine('CPU features', features.join(' ')),
      fine('kernels', kernels.join(', ')),
      fine('devices', devices.join(', ')),
    ]
  } catch (error) {
    return [wrong('addon', (error as Error).message)]
  }
}

async function folder(path = defaultModelPath()): Promise<Finding[]> {
  const found = await GPT4All.localModels(path)
  const models = found.filter(({ problem }) => !problem)
  const others = found.length - models.length
  const room = await freeBytes(path)
  return [
    fine(
      'models folder',
      models.length > 0
        ? `${path}: ${models.length} ${models.length === 1 ? 'model' : 'models'}, ${size(models.reduce((sum, { filesize }) => sum + filesize, 0))}`
        : `${path}: no models yet; \`gpt4all-ts models list\` lists those that can be downloaded`,
    ),
    ...(others > 0
      ? [
          fine(
            'other files',
            `${others} in the models folder cannot be used; \`gpt4all-ts models list\` shows which`,
          ),
        ]
      : []),
    (room > 1e9 ? fine : wrong)('free disk', size(room)),
  ]
}

/** Free bytes at the folder, or at the first existing one above it. */
async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch {
    return dirname(path) === path ? 0 : freeBytes(dirname(path))
  }
}

async function aboutFile(path: string): Promise<Finding> {
  const files = await filesOf(path, dirname(path)).catch(() => [path]) // the file may have any name
  const risks = (await Promise.all(files.map(risksOf))).flat()
  if (risks.length === 0) return fine('model file', 'found nothing that could change it while it is open')
  const seen = [...new Set(risks.map(({ text }) => text))].join('; ')
  const found = `${seen}. A file that is truncated or overwritten while it is open crashes the program: replace files by renaming, or use --isolated.`
  return (risks.some(({ isWrong }) => isWrong) ? wrong : fine)('model file', found)
}

type ModelFlags = { readonly model?: string; readonly modelPath?: string }

async function aboutModel({ model, modelPath }: ModelFlags): Promise<Finding[]> {
  if (model === undefined) return []
  const { name, modelPath: folder } = placeOf(model, modelPath)
  try {
    const { total, available, fits } = await GPT4All.estimateMemory(name, { modelPath: folder })
    const found = `is on the disk; needs ${size(total)} of memory, ${size(available)} are available`
    const { path } = await GPT4All.describeModel(name, { modelPath: folder })
    return [(fits ? fine : wrong)(name, found), await aboutFile(path)]
  } catch (error) {
    if (isHubName(name)) return [wrong(name, (error as Error).message)]
    const known = await GPT4All.listModels().catch((reason: Error) => reason)
    if (known instanceof Error)
      return [
        wrong(name, `is not on the disk, and GPT4All's list of models cannot be read: ${known.message}`),
      ]
    const entry = known.find(({ filename }) => filename === name || filename === `${name}.gguf`)
    if (!entry) return [wrong(name, (error as Error).message)]
    return [fine(name, `would be downloaded${entry.filesize ? `: ${size(entry.filesize)}` : ''}`)]
  }
}
