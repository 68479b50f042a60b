import { readFileSync } from 'node:fs'
import { writeAdapter } from '../../support/adapter.ts'
import { ARCHITECTURES, architectureModel } from '../../support/architectures.ts'
import { EMBEDDED } from '../../support/models.ts'
import { type TinyModel, tinyModel } from '../../support/tiny-models.ts'
import { damage, randomOf } from './mutations.ts'
import { assemble, number32, type Parts, take } from './parts.ts'

/** Files for one opening: the first is the model, `lora` and `draftModel` name another. */
export type Case = {
  readonly source: string
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[]
  readonly lora?: string
  readonly draftModel?: string
}
export type DamagedCase = Case & { readonly mutation: string }

const TINY = ['llama', 'llama-moe', 'gemma3', 'mamba', 'lfm2'] as const satisfies readonly TinyModel[]

/** What is damaged; the more often it is named, the more often. */
const SOURCES: readonly string[] = [
  ...Array.from({ length: 12 }, () => ['embedded', ...TINY.map((name) => `tiny ${name}`)]).flat(),
  ...ARCHITECTURES,
  ...Array.from({ length: 8 }, () => ['adapter', 'split', 'draft']).flat(),
]

const embedded = readFileSync(EMBEDDED)
const adapter = (await writeAdapter()).bytes()
const kept = new Map<string, Case>()

/** A source as it is when nothing is damaged. */
export function wholeCase(source: string): Case {
  const known = kept.get(source)
  if (known) return known
  const made = { source, ...filesOf(source) }
  kept.set(source, made)
  return made
}

/** The damaged files that (seed, index) stands for: always the same bytes. */
export function damagedCase(seed: number, index: number): DamagedCase {
  const random = randomOf(seed, index)
  const whole = wholeCase(random.pick(SOURCES))
  const { source, files } = whole
  const at = source === 'adapter' || source === 'draft' ? 1 : random.below(files.length)
  const isModel = source !== 'adapter' && (source !== 'split' || at === 0)
  const { bytes, mutation } = damage(files[at]!.bytes, random, isModel)
  return {
    ...whole,
    mutation: files.length > 1 ? `${files[at]!.name}: ${mutation}` : mutation,
    files: files.map((file, i) => (i === at ? { name: file.name, bytes } : file)),
  }
}

function filesOf(source: string): Omit<Case, 'source'> {
  const model = { name: 'model.gguf', bytes: embedded }
  if (source === 'embedded') return { files: [model] }
  if (source === 'adapter')
    return { files: [model, { name: 'adapter.gguf', bytes: adapter }], lora: 'adapter.gguf' }
  if (source === 'draft')
    return { files: [model, { name: 'draft.gguf', bytes: embedded }], draftModel: 'draft.gguf' }
  if (source === 'split') return { files: split(take(tinyModel('llama')), 3) }
  const tiny = /^tiny (.*)$/.exec(source)?.[1]
  const bytes = tiny === undefined ? architectureModel(source).bytes() : tinyModel(tiny as TinyModel)
  return { files: [{ name: 'model.gguf', bytes }] }
}

/** The files of a model in `count` parts, as llama-gguf-split makes them. */
function split(whole: Parts, count: number): Case['files'] {
  const numbered = (part: number) => String(part).padStart(5, '0')
  const perPart = Math.ceil(whole.tensors.length / count)
  const u16 = (key: string, value: number) => {
    const raw = Buffer.concat([number32(2), Buffer.alloc(2)])
    raw.writeUInt16LE(value, 4)
    return { key, raw }
  }
  return Array.from({ length: count }, (_, part) => {
    const tensors = whole.tensors.slice(part * perPart, (part + 1) * perPart)
    const total = {
      key: 'split.tensors.count',
      raw: Buffer.concat([number32(5), number32(whole.tensors.length)]),
    }
    const keys = [...(part === 0 ? whole.keys : []), u16('split.no', part), u16('split.count', count), total]
    const name = `model-${numbered(part + 1)}-of-${numbered(count)}.gguf`
    return { name, bytes: assemble({ ...whole, keys, tensors }) }
  })
}
