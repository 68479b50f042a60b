/** Windows takes these for devices, whatever extension follows, and ignores spaces before it. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)/i
/**
 * On Windows, a colon names a stream of the file (`model.gguf:hidden`), or a drive; names with the others are
 * invalid. Windows drops dots and spaces at the end, so such a name means another file.
 */
const RESERVED = /[<>:"|?*]/
const CUT_OFF = /[. ]$/
/**
 * A lone UTF-16 surrogate is written as something else; a change of text direction hides the name's real end.
 */
const MISLEADING = /[\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u
/** File systems take 255 bytes; a download adds endings of its own. */
const MOST_BYTES = 240

/** What is wrong with `name` as the name of a file, on any system; `undefined` if nothing is. */
export function wrongWithName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[\\/\p{Cc}]/u.test(name)) return 'is not a file name'
  if (DEVICES.test(name)) return 'is the name of a device on Windows'
  if (RESERVED.test(name)) return 'contains one of <>:"|?*, which file names on Windows cannot have'
  if (CUT_OFF.test(name)) return 'ends in a dot or a space, which Windows leaves out'
  if (MISLEADING.test(name)) return 'contains characters that make it look like another name'
  if (Buffer.byteLength(name) > MOST_BYTES) return `is longer than ${MOST_BYTES} bytes`
  return undefined
}

/** The path of the GGUF file made from an old one, beside it. */
export function convertedFile(path: string): string {
  return `${path}.gguf`
}

/** One file of a split model. */
type PartName = {
  /** The file's name or path up to the numbers, the same for all parts. */
  readonly model: string
  /** Counts from 1; the first part is the one that is opened. */
  readonly part: number
  readonly parts: number
}

/** llama.cpp's own pattern; native/file-identity.cc has it too. */
const PART = /^(.*[^/\\])-(\d{5})-of-(\d{5})\.gguf$/s

/** The split model and part that a file's name or path refers to; `undefined` if it names a whole model. */
export function partName(file: string): PartName | undefined {
  const [, model, part, parts] = PART.exec(file) ?? []
  return model === undefined ? undefined : { model, part: Number(part), parts: Number(parts) }
}

/** What follows `model` in the name of one of its parts. */
export function partEnding(part: number, parts: number): string {
  const digits = (number: number) => String(number).padStart(5, '0')
  return `-${digits(part)}-of-${digits(parts)}.gguf`
}
