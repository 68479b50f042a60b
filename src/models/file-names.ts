/** Windows takes these for devices, whatever extension follows. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i
/** File systems take 255 bytes; a download adds endings of its own. */
const MOST_BYTES = 240

/** What is wrong with `name` as the name of a file, on any system; `undefined` where nothing is. */
export function wrongWithName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[\\/\p{Cc}]/u.test(name)) return 'is no file name'
  if (DEVICES.test(name)) return 'is the name of a device on Windows'
  if (Buffer.byteLength(name) > MOST_BYTES) return `is longer than ${MOST_BYTES} bytes`
  return undefined
}

/** Where the GGUF file made of an old one lies: beside it. */
export function convertedFile(path: string): string {
  return `${path}.gguf`
}
