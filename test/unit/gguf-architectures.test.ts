import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readGguf } from '../../src/models/gguf/header.ts'
import { ARCHITECTURES, architectureModel } from '../support/architectures.ts'
import type { GgufWriter } from '../support/gguf-writer.ts'

// Each of the headers below made llama.cpp abort, crash or divide by zero (`npm run campaign:damaged-gguf -- --untried`).

const folder = mkdtempSync(join(tmpdir(), 'gguf-architectures-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function read(file: GgufWriter) {
  const path = join(folder, 'model.gguf')
  writeFileSync(path, file.bytes())
  return readGguf(path)
}

/** Architectures that are refused by name, whatever they hold. */
const REFUSED = ['plm', 'pockettts', 'qwen3tts', 'wavtokenizer-dec']

describe('the header of a tiny model', () => {
  test.each(ARCHITECTURES.filter((name) => !REFUSED.includes(name)))('of %s is accepted', async (name) => {
    const header = await read(architectureModel(name))
    expect(header.tensors.length).toBeGreaterThan(0)
  })

  test.each(REFUSED)('of %s is refused, because llama.cpp cannot generate text with it', async (name) => {
    await expect(read(architectureModel(name))).rejects.toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' })
  })
})

type Change = (file: GgufWriter, name: string) => GgufWriter
const without =
  (...keys: readonly string[]): Change =>
  (file, name) =>
    keys.reduce((changed, key) => changed.remove(`${name}.${key}`), file)
const u32 =
  (key: string, value: number): Change =>
  (file, name) =>
    file.set(`${name}.${key}`, 'u32', value)
const u32s =
  (key: string, values: readonly number[]): Change =>
  (file, name) =>
    file.setArray(`${name}.${key}`, 'u32', values)
const both =
  (one: Change, other: Change): Change =>
  (file, name) =>
    other(one(file, name), name)

describe('readGguf() refuses a model', () => {
  test.each<[string, string, Change, RegExp]>([
    ['olmo2', 'no attention heads', u32('attention.head_count', 0), /no attention heads/],
    ['phimoe', 'no attention heads', without('attention.head_count'), /no attention heads/],
    [
      'exaone',
      'heads of each layer where the graph takes the first for all',
      u32s('attention.head_count', [2, 1]),
      /another in each layer/,
    ],
    ['deci', 'no layer with attention', u32s('attention.head_count', [0, 0]), /none of its layers/],
    [
      'qwen3',
      'keys longer than values',
      u32('attention.key_length', 64),
      /have 64 values, and their values 16/,
    ],
    ['internlm2', 'a half rotation', u32('rope.dimension_count', 16), /rotates 16 of the 32/],
    [
      'deepseek2',
      'heads that are rotated whole',
      u32('attention.key_length_mla', 64),
      /rotates 64 of the 64/,
    ],
    ['mistral4', 'heads that are rotated whole', u32('attention.key_length_mla', 60), /rotates 64 of the 60/],
    ['paddleocr', 'no sections', without('rope.dimension_sections'), /dimension_sections" is missing/],
    ['qwen3vl', 'sections of no size', u32s('rope.dimension_sections', [0, 0, 0, 8]), /\[0, 0, 0, 8\]/],
    [
      'qwen2vl',
      'sections larger than a head',
      u32s('rope.dimension_sections', [9, 9, 9, 9]),
      /of heads with 32/,
    ],
    ['smallthinker', 'no experts', without('expert_count', 'expert_used_count'), /has no experts/],
    ['glm4moe', 'no experts', without('expert_count', 'expert_used_count'), /has no experts/],
    [
      'qwen3moe',
      'no expert used in the first layer',
      u32s('expert_used_count', [0, 2]),
      /are not as many in each/,
    ],
    ['dots1', 'no gating function', without('expert_gating_func'), /expert_gating_func" is missing/],
    ['hy_v4', 'an unknown gating function', u32('expert_gating_func', 5), /expert_gating_func" is 5/],
    [
      'olmoe',
      'more experts in use than a graph has nodes for',
      both(u32('expert_count', 512), u32('expert_used_count', 512)),
      /512 experts, more than llama.cpp has room for/,
    ],
    [
      'lfm2',
      'no recurrent layer',
      u32s('attention.head_count_kv', [2, 2]),
      /none of its layers is recurrent/,
    ],
    [
      'jamba',
      'no attention layer',
      u32s('attention.head_count_kv', [0, 0]),
      /none of its layers has attention/,
    ],
    ['qwen3next', 'no recurrent layer', u32('full_attention_interval', 1), /none of its layers is recurrent/],
    ['qwen35', 'no attention layer', u32('full_attention_interval', 3), /all of its layers are recurrent/],
    ['qwen35moe', 'an interval of 0', u32('full_attention_interval', 0), /full_attention_interval" is 0/],
    ['mamba2', 'no groups', u32('ssm.group_count', 0), /cannot have 0 groups/],
    ['nemotron_h', 'groups that do not divide it', u32('ssm.group_count', 3), /cannot have 3 groups/],
    ['falcon-h1', 'heads that do not divide it', u32('ssm.time_step_rank', 3), /cannot have 3 heads/],
    ['rwkv6qwen2', 'the wrong shift', without('token_shift_count'), /token_shift_count" is 2, and must be 1/],
    ['rwkv7', 'the wrong shift', u32('token_shift_count', 1), /token_shift_count" is 1, and must be 2/],
    [
      'rwkv7',
      'heads that are too short',
      u32('wkv.head_size', 32),
      /wkv.head_size" is 32, and must be a multiple of 64/,
    ],
    ['rwkv6', 'heads that do not divide it', u32('wkv.head_size', 48), /cannot be divided into heads of 48/],
    [
      'dots3note',
      'no layer without a window',
      u32s('attention.sliding_window_pattern', [1, 1]),
      /gives all layers the sliding window/,
    ],
    ['deepseek4', 'no shared head', without('attention.head_count_kv'), /head_count_kv" is 0/],
    [
      'deepseek4',
      'no groups of its output',
      u32('attention.output_group_count', 0),
      /output_group_count" is 0/,
    ],
    ['hrm_text', 'no cycles', u32('hrm.l_cycles', 0), /hrm.l_cycles" is 0/],
    ['hrm_text', 'more cycles than layers', u32('hrm.l_cycles', 7), /hrm.l_cycles" is 7/],
    ['minimax-m3', 'blocks of no size', u32('attention.indexer.block_size', 0), /block_size" is 0/],
  ])('of %s with %s', async (name, _, change, mentions) => {
    const error: unknown = await read(change(architectureModel(name), name)).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'ERR_MODEL_DAMAGED', message: expect.stringMatching(mentions) })
  })

  test.each(['ffn_up_exps.scale', 'attn_q.scale'])('whose %s is not F32', async (name) => {
    const file = architectureModel('qwen3moe').tensor(`blk.0.${name}`, [2], 'I32')
    await expect(read(file)).rejects.toMatchObject({ code: 'ERR_MODEL_DAMAGED' })
  })

  test('whose table of experts is not a table, or names a missing expert', async () => {
    const table = 'blk.0.ffn_gate_tid2eid.weight'
    const withTable = (type: 'I32' | 'F32', expert: number) =>
      read(architectureModel('deepseek4').tensor(table, [2, 286], type, expert))
    await expect(withTable('I32', 1)).resolves.toMatchObject({ architecture: 'deepseek4' })
    for (const [type, expert, mentions] of [
      ['I32', 2, /names expert 2, of 2/],
      ['I32', -1, /names expert -1, of 2/],
      ['F32', 1, /can only be I32/],
    ] as const)
      await expect(withTable(type, expert)).rejects.toMatchObject({
        code: 'ERR_MODEL_DAMAGED',
        message: expect.stringMatching(mentions),
      })
  })
})
