import { partName } from '../names.ts'
import { flat, type HubName } from './name.ts'

/** A model of a repository: its file, or the parts of a split one in their order. */
export type HubModel<File> = {
  readonly files: readonly File[]
  /** How many files it has if it is complete. */
  readonly parts: number
  /** Its name without extension and part number, with the folders before it. */
  readonly stem: string
}

/**
 * What llama.cpp does not take for models either: parts that see pictures, statistics of quantizing, and small
 * models that guess tokens for another.
 */
const NO_MODEL = /mmproj|imatrix|mtp-|eagle3-|dflash-|dspark-/

/** The models that `files` make up, by their paths, in alphabetical order. */
export function modelsIn<File extends { readonly path: string }>(files: readonly File[]): HubModel<File>[] {
  const models = new Map<string, HubModel<File>>()
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const part = partName(file.path)
    const stem = part?.model ?? file.path.replace(/\.gguf$/, '')
    const key = JSON.stringify([stem, part?.parts])
    const before = models.get(key)?.files ?? []
    models.set(key, { files: [...before, file], parts: part?.parts ?? 1, stem })
  }
  return [...models.values()]
}

/** Whether all parts of a model are there, each once. */
export function isComplete<File extends { readonly path: string }>({
  files,
  parts,
}: HubModel<File>): boolean {
  return files.length === parts && files.every(({ path }, i) => (partName(path)?.part ?? 1) === i + 1)
}

/** Tried in turn where the name says nothing. Source: `-hf` of llama.cpp. */
const USUAL = ['Q4_K_M', 'Q8_0']

/** The models that a name means: the name is good for a single one. */
export function fitting<File extends { readonly path: string }>(
  models: readonly HubModel<File>[],
  { quant, file, isPath }: Pick<HubName, 'quant' | 'file' | 'isPath'>,
): readonly HubModel<File>[] {
  if (file !== undefined) return withFile(models, file, isPath)
  const usable = models.filter(({ stem }) => !NO_MODEL.test(flat(stem).split('--').at(-1)!))
  if (quant !== undefined) return withQuant(usable, quant)
  for (const usual of USUAL) {
    const found = withQuant(usable, usual)
    if (found.length > 0) return found
  }
  return usable.slice(0, 1)
}

function withFile<File extends { readonly path: string }>(
  models: readonly HubModel<File>[],
  wanted: string,
  isPath: boolean,
): readonly HubModel<File>[] {
  const name = flat(wanted).toLowerCase()
  const having = (is: (path: string) => boolean) =>
    models.filter(({ files }) => files.some(({ path }) => is(flat(path).toLowerCase())))
  const same = having((path) => path === name)
  return same.length > 0 || isPath ? same : having((path) => path.endsWith(`--${name}`))
}

/** Names end in the quantization, or else have it somewhere, as a word of its own. */
function withQuant<File>(models: readonly HubModel<File>[], quant: string): readonly HubModel<File>[] {
  const word = quant.replaceAll('.', '\\.')
  const having = (pattern: string) => {
    const expression = new RegExp(pattern, 'i')
    return models.filter(({ stem }) => expression.test(stem))
  }
  const ending = having(`(^|[-._/])${word}$`)
  return ending.length > 0 ? ending : having(`(^|[-./])${word}[-./]`)
}

/** The shortest way to name a model of a list: its quantization, else the path of its file. */
export function labelOf<File extends { readonly path: string }>(
  model: HubModel<File>,
  models: readonly HubModel<File>[],
): string {
  const quant = quantOf(model.stem)
  const isEnough =
    quant !== undefined && fitting(models, { quant, file: undefined, isPath: false }).length === 1
  return isEnough ? quant : model.files[0]!.path
}

/** The quantization at the end of a file's name, such as `Q4_K_M` or `BF16`. */
export function quantOf(stem: string): string | undefined {
  return /[-._/]((?:UD-)?(?:I?Q|TQ|BF|F|FP|MXFP|NVFP)\d\w*)$/i.exec(stem)?.[1]
}
