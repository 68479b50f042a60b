import { changed, damaged, openFile } from './bytes.ts'
import { type Model, number } from './model.ts'
import type { GgufFile } from './reader.ts'

/** DeepSeek 4 looks up the experts of its first layers by token. */
const TABLE = /^blk\.\d+\.ffn_gate_tid2eid\.weight$/

export const isTable = ({ architecture }: Model, name: string) =>
  architecture === 'deepseek4' && TABLE.test(name)

const CHUNK = 2 ** 20

/** A number that is no expert aborts once its token comes, so only these tensors are read: a few MiB. */
export async function checkTables(
  model: Model,
  file: GgufFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tables = file.tensors.filter(({ name }) => isTable(model, name))
  if (tables.length === 0) return
  const experts = number(model, `${model.architecture}.expert_count`) ?? 0
  const opened = await openFile(file.path)
  try {
    if (opened.identity !== file.identity) throw changed(file.path)
    for (const { name, type, offset, bytes } of tables) {
      if (type !== 'I32')
        throw damaged(file.path, `tensor "${name}" is stored as ${type}; it can only be I32`)
      const numbers = new Int32Array(CHUNK / 4)
      for (let at = 0; at < bytes; at += CHUNK) {
        signal?.throwIfAborted()
        const window = numbers.subarray(0, Math.min(CHUNK, bytes - at) / 4)
        await opened.fill(new Uint8Array(window.buffer, 0, window.byteLength), offset + at)
        const wrong = window.find((expert) => expert < 0 || expert >= experts)
        if (wrong !== undefined)
          throw damaged(file.path, `tensor "${name}" names expert ${wrong}, of ${experts}`)
      }
    }
  } finally {
    await opened.close()
  }
}
