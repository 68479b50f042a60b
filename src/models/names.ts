/** Windows takes these for devices, whatever extension follows, and does not see spaces in front of that. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)/i
/**
 * A colon names a stream beside the file there (`model.gguf:hidden`), or a drive; the others no file at all. Windows leaves out
 * dots and spaces at the end, so that another file is meant.
 */
const RESERVED = /[<>:"|?*]/
const CUT_OFF = /[. ]$/
/** Half a pair of UTF-16 is written as something else; what turns the direction of writing hides the name's real end. */
const MISLEADING = /[\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u
/** File systems take 255 bytes; a download adds endings of its own. */
const MOST_BYTES = 240

/** What is wrong with `name` as the name of a file, on any system; `undefined` where nothing is. */
export function wrongWithName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[\\/\p{Cc}]/u.test(name)) return 'is no file name'
  if (DEVICES.test(name)) return 'is the name of a device on Windows'
  if (RESERVED.test(name)) return 'has one of <>:"|?* in it, which no file name has on Windows'
  if (CUT_OFF.test(name)) return 'ends in a dot or a space, which Windows leaves out'
  if (MISLEADING.test(name)) return 'has characters in it that make it look like another'
  if (Buffer.byteLength(name) > MOST_BYTES) return `is longer than ${MOST_BYTES} bytes`
  return undefined
}

/** Where the GGUF file made of an old one lies: beside it. */
export function convertedFile(path: string): string {
  return `${path}.gguf`
}

/** One file of a split model. */
type PartName = {
  /** Its name, or its path, up to the numbers: the same of all parts. */
  readonly model: string
  /** From 1: the first is the one that is opened. */
  readonly part: number
  readonly parts: number
}

/** llama.cpp's own pattern; native/file-identity.cc knows it as well. */
const PART = /^(.*[^/\\])-(\d{5})-of-(\d{5})\.gguf$/s

/** What the name or path of a file tells of the split model that it is a part of; `undefined` where it is whole. */
export function partName(file: string): PartName | undefined {
  const [, model, part, parts] = PART.exec(file) ?? []
  return model === undefined ? undefined : { model, part: Number(part), parts: Number(parts) }
}

/** What follows `model` in the name of one of its parts. */
export function partEnding(part: number, parts: number): string {
  const digits = (number: number) => String(number).padStart(5, '0')
  return `-${digits(part)}-of-${digits(parts)}.gguf`
}
