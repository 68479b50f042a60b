import { readGguf } from '../../src/models/gguf/header.ts'
import { GgufWriter } from './gguf-writer.ts'
import { EMBEDDED } from './models.ts'

/** The rank of the adapter below. */
export const RANK = 4

/** A LoRA adapter for the embedded model: random numbers for the queries and outputs of all attention. */
export async function writeAdapter(): Promise<GgufWriter> {
  const { architecture, tensors } = await readGguf(EMBEDDED)
  const adapter = new GgufWriter()
    .set('general.type', 'string', 'adapter')
    .set('general.architecture', 'string', architecture)
    .set('adapter.type', 'string', 'lora')
    .set('adapter.lora.alpha', 'f32', 16)
  for (const { name, shape } of tensors) {
    if (!/attn_(q|output)\.weight$/.test(name)) continue
    adapter.tensor(`${name}.lora_a`, [shape[0]!, RANK]).tensor(`${name}.lora_b`, [RANK, shape[1]!])
  }
  return adapter
}
