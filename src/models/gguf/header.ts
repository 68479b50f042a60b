import { ModelError } from '../../core/errors.ts'
import { partEnding, partName } from '../names.ts'
import { architectureOf } from './architecture.ts'
import { damaged } from './bytes.ts'
import { type GgufFile, type GgufValue, readGgufFile } from './reader.ts'
import { checkModel } from './rules/rules.ts'
import { checkTables } from './tables.ts'
import { checkUnused, type GgufTensor } from './tensors.ts'
import { checkVocabulary, tokenCountOf, vocabularyScan } from './vocabulary.ts'

export { assertEmbeds, assertGeneratesText, assertRanks, purposeOf } from './kind.ts'
export type { GgufValue } from './reader.ts'
export type { GgufTensor } from './tensors.ts'

/** A file as it was when it was checked: `identity` changes once it is replaced, or written to. */
export type ModelFile = { readonly path: string; readonly bytes: number; readonly identity: string }

/** What a GGUF file says about the model inside, checked. */
export type GgufHeader = {
  readonly path: string
  /** All files of the model, this one first; more than one if it is split. */
  readonly files: readonly ModelFile[]
  /** Bytes of all files. */
  readonly fileBytes: number
  /** 2 or 3 */
  readonly version: number
  /** `general.architecture`, e.g. `llama` */
  readonly architecture: string
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Tensors of all files; `offset` counts within the tensor's own file. */
  readonly tensors: readonly GgufTensor[]
  /** Bytes of all tensors. */
  readonly tensorBytes: number
  /** Where the tensor data of the first file starts, bytes. */
  readonly dataOffset: number
  /** Entries of the vocabulary, at least 1. */
  readonly tokenCount: number
}

type ReadGgufOptions = {
  readonly signal?: AbortSignal | undefined
  /** Only the vocabulary is needed: then a file without tensors is whole too. */
  readonly vocabOnly?: boolean | undefined
  /**
   * The identity of a file that this version of the library has checked and opened before: it is only read.
   */
  readonly passed?: Promise<string | undefined> | undefined
}

/**
 * Reads and checks the header of a GGUF file, and of its sister files if the model is split. On some damage
 * llama.cpp calls `abort()`, which would end the whole process: this finds such damage first. Tensor data is
 * not read, except DeepSeek 4's expert tables.
 * @throws {ModelError} `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_UNREADABLE`, `ERR_NOT_GGUF`, `ERR_MODEL_DAMAGED` or
 * `ERR_MODEL_UNSUPPORTED`
 */
export async function readGguf(path: string, options: ReadGgufOptions = {}): Promise<GgufHeader> {
  const { signal, vocabOnly = false, passed } = options
  const main = await readGgufFile(path, (key, count) => vocabularyScan(path, key, count), signal)
  const files = [main, ...(await readSisters(main, signal))]
  checkUnused(
    path,
    files.reduce((sum, file) => sum + file.unusedBytes, 0),
  )
  const tensors = files.flatMap((file) => file.tensors)
  checkNames(path, files, tensors)
  const architecture = architectureOf(path, main.metadata)
  const model = { path, architecture, metadata: main.metadata, tensors }
  const hasPassed = files.length === 1 && main.identity === (await passed)
  if (!hasPassed) checkVocabulary(model)
  const tokenCount = tokenCountOf(model)
  if (!hasPassed && !vocabOnly) {
    checkModel(model, tokenCount)
    for (const file of files) await checkTables(model, file, signal)
  }
  return {
    path,
    files: files.map(asModelFile),
    fileBytes: files.reduce((sum, file) => sum + file.fileBytes, 0),
    version: main.version,
    architecture,
    metadata: main.metadata,
    tensors,
    tensorBytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    dataOffset: main.dataOffset,
    tokenCount,
  }
}

export const asModelFile = ({ path, fileBytes, identity }: GgufFile): ModelFile => ({
  path,
  bytes: fileBytes,
  identity,
})

/**
 * The other files of a split model, named `<prefix>-00002-of-00003.gguf` like the first; none if it is whole.
 */
async function readSisters(main: GgufFile, signal: AbortSignal | undefined): Promise<GgufFile[]> {
  const { path } = main
  const count = splitNumber(main, 'split.count') ?? 1
  if (count <= 1) return []
  if (splitNumber(main, 'split.no') !== 0) {
    const message = `${path} is not the first part of its model, which has ${count} parts. Name the file that ends in "${partEnding(1, count)}".`
    throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
  }
  const named = partName(path)
  if (named?.part !== 1 || named.parts !== count) {
    const message = `${path} is the first of ${count} parts, so its name must end in "${partEnding(1, count)}" to find the others.`
    throw new ModelError('ERR_MODEL_UNSUPPORTED', message, path)
  }
  const sisters: GgufFile[] = []
  for (let part = 2; part <= count; part++) {
    const sisterPath = named.model + partEnding(part, count)
    const sister = await readGgufFile(sisterPath, () => undefined, signal)
    // llama.cpp reads this key without checking its type, and aborts if it is another.
    if (splitNumber(sister, 'split.no') !== part - 1)
      throw damaged(sisterPath, `its "split.no" does not say that it is part ${part}`)
    sisters.push(sister)
  }
  return sisters
}

function splitNumber(file: GgufFile, key: string): number | undefined {
  const entry = file.metadata.get(key)
  if (entry === undefined) return undefined
  if (entry.type !== 'u16') throw damaged(file.path, `"${key}" is not a 16-bit number`)
  return Number(entry.value)
}

function checkNames(path: string, files: readonly GgufFile[], tensors: readonly GgufTensor[]): void {
  if (files.length === 1) return
  const names = new Set(tensors.map((tensor) => tensor.name))
  if (names.size !== tensors.length) throw damaged(path, 'two of its parts hold tensors of the same name')
}
