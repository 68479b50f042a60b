/**
 * The first four bytes of the formats before GGUF, as stored in the file, and what they hold if not LLaMA.
 */
export const OLD_MAGICS: ReadonlyMap<string, string | undefined> = new Map([
  ['lmgg', undefined],
  ['fmgg', undefined],
  ['tjgg', undefined],
  ['mmgg', 'an MPT model'],
  ['lper', 'a Replit model'],
  ['treb', 'a BERT embedding model'],
  ['ccgg', 'a Falcon model in the format of ggllm.cpp'],
  ['algg', 'a LoRA adapter, which needs its base model'],
])

export function isOldMagic(magic: string): boolean {
  return OLD_MAGICS.has(magic)
}
