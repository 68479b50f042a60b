import { readdirSync, readFileSync } from 'node:fs'
import { platform } from 'node:process'
import { beforeAll, describe, expect, test } from 'vitest'
import { planMemory } from '../../src/loading/memory.ts'
import { readGguf } from '../../src/models/gguf/header.ts'
import type { NativeContext, NativeEvalEntry, NativeModel } from '../../src/native/contract.ts'
import { collect } from '../support/garbage.ts'
import { EMBEDDED } from '../support/models.ts'
import {
  binding,
  continueGreedily,
  GREEDY,
  greedy,
  openContext,
  openModel,
  openTiny,
  plain,
  SHAPE,
  step,
  tokens,
} from '../support/native-models.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

let model: NativeModel
let context: NativeContext
let prompt: Int32Array

beforeAll(async () => {
  model = await openModel()
  context = await openContext(model, { sequences: 4 })
  prompt = tokens(model, 'The capital of France is')
})

/** A prompt of `count` tokens that means something to the model. */
function long(count: number): Int32Array {
  const text = tokens(model, 'One day a small dog went to the river and saw a big fish. ')
  return Int32Array.from({ length: count }, (_, i) => text[i % text.length]!)
}

/** Bytes of memory that belong to no file. */
const anonymous = () =>
  1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1])

// Without native/tuning llama.cpp writes zeros over all of it.
test.runIf(platform === 'linux' && binding.hasTuning)('an empty cache takes no memory', async () => {
  const before = anonymous()
  const contextSize = 2 ** 17
  const { kvCache } = planMemory(await readGguf(EMBEDDED), contextSize)
  const large = await openContext(model, { contextSize })
  expect(kvCache).toBeGreaterThan(48 * 2 ** 20)
  expect(anonymous() - before).toBeLessThan(kvCache / 4)
  await large.close()
})

test('a forgotten context is collected when another takes much memory', async () => {
  const forgotten = new WeakRef(await binding.Context.create(model, SHAPE))
  await turns(1) // V8 keeps what a WeakRef is made of until then
  await openContext(model, { memoryBytes: 2 ** 36 })
  await turns(1)
  expect(forgotten.deref()).toBeUndefined()
})

describe('eval() evaluates', () => {
  test('one sequence, and the model answers', async () => {
    const said = await continueGreedily(context, model, prompt, { count: 3 })
    expect(Buffer.from(model.detokenize(Int32Array.from(said), false)).toString()).toMatch(/^ Paris/)
  })

  test('many sequences in one step, with the same results as alone', async () => {
    const prompts = ['The capital of Italy is', 'Count: 1, 2, 3,', 'Once upon a time', 'Hello'].map((text) =>
      tokens(model, text),
    )
    const alone: number[][] = []
    for (const one of prompts) alone.push(await continueGreedily(context, model, one, { count: 10 }))
    const samplers = prompts.map(() => greedy(model))
    const together: number[][] = prompts.map(() => [])
    let next = prompts
    const at = prompts.map(() => 0)
    for (let i = 0; i < 10; i++) {
      const results = await context.eval(
        next.map((ids, sequence) => ({
          sequence,
          position: at[sequence]!,
          tokens: ids,
          outputs: [ids.length - 1],
          sampler: samplers[sequence]!,
        })),
      )
      for (const [sequence, result] of results.entries()) together[sequence]!.push(result.tokens[0]!)
      for (const [sequence, ids] of next.entries()) at[sequence]! += ids.length
      next = results.map((result) => result.tokens)
    }
    expect(together).toEqual(alone)
  })

  test('a prompt in a reused cache, with the same result as in a new one', async () => {
    const shape = { contextSize: 8192 } // a cache of several MiB, of the memory that others just had
    const said: number[][] = []
    for (let i = 0; i < 3; i++) {
      const where = await openContext(model, shape)
      said.push(await continueGreedily(where, model, long(200), { count: 5 }))
      await where.close()
    }
    expect(said).toEqual([said[0], said[0], said[0]])
  })

  test('a prompt in pieces, with the same result as whole', async () => {
    const ids = long(100)
    const whole = await continueGreedily(context, model, ids)
    for (const piece of [1, 7, 64, 99]) {
      let at = 0
      for (; at + piece < ids.length; at += piece) {
        const result = await step(context, {
          sequence: 1,
          position: at,
          tokens: ids.subarray(at, at + piece),
        })
        expect(result.tokens).toHaveLength(0)
      }
      expect(await continueGreedily(context, model, ids.subarray(at), { sequence: 1, position: at })).toEqual(
        whole,
      )
    }
  })

  test('from any position, dropping what the cache holds from there on', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await continueGreedily(context, model, Int32Array.of(...prompt.subarray(0, 3), 7, 8, 9, 10), {
      sequence: 2,
    })
    const again = await continueGreedily(context, model, prompt.subarray(3), { sequence: 2, position: 3 })
    expect(again).toEqual(fresh)
    expect(await context.positions(2)).toEqual({ min: 0, max: prompt.length + 12 - 2 })
  })

  test('with 2 threads, with the same result as with 1', async () => {
    const both = await openContext(model, { threads: 2, batchThreads: 2 })
    const fresh = await continueGreedily(context, model, prompt, { count: 4 })
    expect(await continueGreedily(both, model, prompt, { count: 4 })).toEqual(fresh)
    both.setThreads(1, 1, false)
    expect(await continueGreedily(both, model, prompt, { count: 4 })).toEqual(fresh)
    await both.close()
  })

  test('with a number of threads that changes and exceeds the first one, with the same logits', async () => {
    const changed = await openContext(model)
    const counts = [1, 2].flatMap((one) => [1, 2].map((more) => [one, more] as const))
    for (const [i, [threads, batchThreads]] of counts.entries()) {
      const fresh = await openContext(model, { threads, batchThreads })
      const said = [...prompt, ...prompt, 5, 6, 7].slice(0, prompt.length + i)
      const cached = said.length - (i % 2 ? 1 : 3) // a step of one token, or of more
      await step(changed, { sequence: 0, position: 0, tokens: Int32Array.from(said.slice(0, cached)) })
      await step(fresh, { sequence: 0, position: 0, tokens: Int32Array.from(said.slice(0, cached)) })
      const rest = { sequence: 0, position: cached, tokens: Int32Array.from(said.slice(cached)) }
      const asked = { ...rest, outputs: [rest.tokens.length - 1], logits: true }
      changed.setThreads(threads, batchThreads, false)
      expect((await step(changed, asked)).logits).toEqual((await step(fresh, asked)).logits)
      await fresh.close()
    }
    await changed.close()
  })

  test.skipIf(process.platform !== 'linux')('with as many threads as are set', async () => {
    const growing = await openContext(model)
    const threads = async (one: number, more: number) => {
      growing.setThreads(one, more, false)
      await step(growing, { sequence: 0, position: 0, tokens: prompt })
      return readdirSync('/proc/self/task').length
    }
    const before = await threads(1, 1)
    expect(await threads(1, 3)).toBe(before + 2)
    await growing.close()
  })

  test('to the last cell of a sequence and no further', async () => {
    const small = await openContext(model, { contextSize: 256, batchSize: 300 })
    const { cells } = small.info
    const full = await step(small, {
      sequence: 0,
      position: 0,
      tokens: long(cells),
      outputs: [cells - 1],
      sampler: greedy(model),
    })
    expect(full.tokens).toHaveLength(1)
    expect(await small.positions(0)).toEqual({ min: 0, max: cells - 1 })
    const beyond: NativeEvalEntry = { sequence: 0, position: cells - 1, tokens: long(2) }
    expect(() => small.eval([beyond])).toThrow(code('ERR_ARGUMENT'))
    expect(() => small.eval([{ ...beyond, position: cells, tokens: long(1) }])).toThrow(code('ERR_ARGUMENT'))
    await small.close()
  })

  test('nothing after a gap: it rejects, and the cache is unchanged', async () => {
    await step(context, { sequence: 3, position: 0, tokens: prompt })
    const gap = context.eval([{ sequence: 3, position: prompt.length + 5, tokens: Int32Array.of(5) }])
    await expect(gap).rejects.toThrow(code('ERR_DECODE'))
    expect((await context.positions(3)).max).toBe(prompt.length - 1)
    expect(await context.remove(3, 0, -1)).toBe(true)
  })

  test('many queued steps in the order of the calls', async () => {
    const ids = long(200)
    const asked = Array.from(ids, (id, position) =>
      step(context, {
        sequence: 0,
        position,
        tokens: Int32Array.of(id),
        outputs: [0],
        sampler: greedy(model),
      }),
    )
    const drawn = (await Promise.all(asked)).map((result) => result.tokens[0]!)
    const outputs = Array.from({ length: 8 }, (_, i) => i)
    for (let at = 0; at < 200; at += 40) {
      const { logits } = await step(context, {
        sequence: 1,
        position: at,
        tokens: ids.subarray(at, at + 40),
        outputs,
        logits: true,
      })
      const best = logits!.map((row) => row.indexOf(Math.max(...row)))
      expect(drawn.slice(at, at + 8)).toEqual(best)
    }
  })

  test('the tokens given, even if the array changes or is detached meanwhile', async () => {
    const fresh = await continueGreedily(context, model, prompt, { count: 1 })
    const changing = Int32Array.from(prompt)
    const first = step(context, {
      sequence: 0,
      position: 0,
      tokens: changing,
      outputs: [changing.length - 1],
      sampler: greedy(model),
    })
    changing.fill(0)
    structuredClone(changing, { transfer: [changing.buffer] })
    expect([...(await first).tokens]).toEqual(fresh)
    expect(() => context.eval([{ sequence: 0, position: 0, tokens: changing }])).toThrow(code('ERR_ARGUMENT'))
    const shared = new Int32Array(new SharedArrayBuffer(4 * prompt.length))
    shared.set(prompt)
    expect([
      ...(
        await step(context, {
          sequence: 0,
          position: 0,
          tokens: shared,
          outputs: [shared.length - 1],
          sampler: greedy(model),
        })
      ).tokens,
    ]).toEqual(fresh)
  })

  test('a context that JavaScript has forgotten while a step is in flight', async () => {
    const forgotten = async () => {
      const alone = await binding.Context.create(model, { ...SHAPE, batchSize: 512 })
      return {
        answer: step(alone, {
          sequence: 0,
          position: 0,
          tokens: long(500),
          outputs: [499],
          sampler: greedy(model),
        }),
      }
    }
    const { answer } = await forgotten()
    await collect()
    expect((await answer).tokens).toHaveLength(1)
  })
})

describe('outputs', () => {
  test('are those that the entry names, with and without a sampler', async () => {
    const entry = { sequence: 0, position: 0, tokens: prompt, logits: true }
    const outputs = [prompt.length - 1]
    const none = { tokens: new Int32Array(0), logits: [] }
    expect(await step(context, entry)).toEqual(none)
    expect(await step(context, { ...entry, sampler: greedy(model) })).toEqual(none)
    const withoutSampler = await step(context, { ...entry, outputs })
    expect(withoutSampler.tokens).toHaveLength(0)
    expect(withoutSampler.logits).toHaveLength(1)
    const withSampler = await step(context, { ...entry, outputs, sampler: greedy(model) })
    expect(withSampler.tokens).toHaveLength(1)
    expect(withSampler.logits).toEqual(withoutSampler.logits)
    expect(withSampler.logprobs).toBeUndefined()
  })

  test('are sampled to the end of a draft that the model agrees with', async () => {
    const said = await continueGreedily(context, model, prompt, { count: 6 })
    const draft = Int32Array.of(prompt.at(-1)!, ...said.slice(0, 5))
    const result = await step(context, {
      sequence: 0,
      position: prompt.length - 1,
      tokens: draft,
      sampler: greedy(model),
      outputs: [0, 1, 2, 3, 4, 5],
    })
    expect([...result.tokens]).toEqual(said)
  })

  test('end at the first token that differs from the draft', async () => {
    const said = await continueGreedily(context, model, prompt, { count: 6 })
    for (let wrong = 0; wrong < 5; wrong++) {
      const guess = said.slice(0, 5)
      guess[wrong] = guess[wrong]! === 100 ? 101 : 100
      const entry = {
        sequence: 0,
        position: prompt.length - 1,
        tokens: Int32Array.of(prompt.at(-1)!, ...guess),
      }
      const result = await step(context, {
        ...entry,
        sampler: greedy(model),
        outputs: [0, 1, 2, 3, 4, 5],
        logits: true,
        logprobs: 1,
      })
      expect([...result.tokens]).toEqual(said.slice(0, wrong + 1))
      expect(result.logprobs).toHaveLength(wrong + 1)
      expect(result.logits).toHaveLength(6)
    }
  })

  test('are the same after a rejected draft is dropped', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await step(context, {
      sequence: 0,
      position: 0,
      tokens: Int32Array.of(...prompt, 9, 9, 9),
      outputs: [prompt.length - 1],
    })
    const again = await continueGreedily(context, model, prompt.subarray(-1), { position: prompt.length - 1 })
    expect(again).toEqual(fresh)
  })

  test('of a draft have the same penalties as of single steps', async () => {
    const params = { ...GREEDY, repeatPenalty: 1.8, repeatLastN: 8 }
    const one = new binding.Sampler(model.info.vocabSize, params)
    const said: number[] = []
    let next = prompt
    let position = 0
    while (said.length < 6) {
      const { tokens: drawn } = await step(context, {
        sequence: 0,
        position,
        tokens: next,
        outputs: [next.length - 1],
        sampler: one,
      })
      position += next.length
      said.push(drawn[0]!)
      next = drawn
    }
    const result = await step(context, {
      sequence: 0,
      position: prompt.length - 1,
      tokens: Int32Array.of(prompt.at(-1)!, ...said.slice(0, 5)),
      sampler: new binding.Sampler(model.info.vocabSize, params),
      outputs: [0, 1, 2, 3, 4, 5],
    })
    expect([...result.tokens]).toEqual(said)
  })
})

describe('logits and log probabilities', () => {
  test('are those of the raw distribution, most likely first', async () => {
    const result = await step(context, {
      sequence: 0,
      position: 0,
      tokens: prompt,
      outputs: [prompt.length - 1],
      sampler: new binding.Sampler(model.info.vocabSize, { ...GREEDY, temperature: 2, topK: 5, seed: 3 }),
      logits: true,
      logprobs: 50,
    })
    const row = [...result.logits![0]!]
    const { logprob, topTokens, topLogprobs } = result.logprobs![0]!
    const best = Math.max(...row)
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - best), 0)) + best
    expect(logprob).toBeCloseTo(row[result.tokens[0]!]! - total, 3)
    const order = row.map((_, token) => token).sort((a, b) => row[b]! - row[a]! || a - b)
    expect([...topTokens]).toEqual(order.slice(0, 50))
    topLogprobs.forEach((value, i) => {
      expect(value).toBeCloseTo(row[topTokens[i]!]! - total, 3)
    })
    const sum = topLogprobs.reduce((all, value) => all + Math.exp(value), 0)
    expect(sum).toBeLessThanOrEqual(1 + 1e-6)
  })

  test('of the whole vocabulary add up to one', async () => {
    const { logprobs } = await step(context, {
      sequence: 0,
      position: 0,
      tokens: prompt,
      outputs: [prompt.length - 1],
      sampler: greedy(model),
      logprobs: model.info.vocabSize,
    })
    const sum = logprobs![0]!.topLogprobs.reduce((all, value) => all + Math.exp(value), 0)
    expect(sum).toBeCloseTo(1, 4)
  })

  test('contain only the sampled token if 0 are requested', async () => {
    const entry = {
      sequence: 0,
      position: 0,
      tokens: prompt,
      outputs: [prompt.length - 1],
      sampler: greedy(model),
    }
    const { logprobs: one } = await step(context, { ...entry, logprobs: 1 })
    const { logprobs: none } = await step(context, { ...entry, logprobs: 0 })
    expect(none![0]!.topTokens).toHaveLength(0)
    expect(none![0]!.logprob).toBe(one![0]!.logprob)
  })

  test('do not change the tokens, and are not changed by the penalty', async () => {
    const params = { ...GREEDY, repeatPenalty: 2, repeatLastN: 4 }
    const plain = await step(context, {
      sequence: 0,
      position: 0,
      tokens: prompt,
      logits: true,
      outputs: [prompt.length - 1],
    })
    const sampler = new binding.Sampler(model.info.vocabSize, params)
    sampler.accept(plain.logits![0]!.indexOf(Math.max(...plain.logits![0]!)))
    const drawn = await step(context, {
      sequence: 0,
      position: 0,
      tokens: prompt,
      outputs: [prompt.length - 1],
      sampler,
      logits: true,
      logprobs: 3,
    })
    expect(drawn.logits).toEqual(plain.logits)
    expect(drawn.logprobs![0]!.topTokens[0]).not.toBe(drawn.tokens[0])
  })
})

describe('the cache', () => {
  test('reports what it holds in positions(), and -1 if it is empty', async () => {
    await context.remove(0, 0, -1)
    expect(await context.positions(0)).toEqual({ min: -1, max: -1 })
    await step(context, { sequence: 0, position: 0, tokens: prompt })
    expect(await context.positions(0)).toEqual({ min: 0, max: prompt.length - 1 })
  })

  test('loses the end of one sequence with remove(), and nothing else', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await step(context, { sequence: 0, position: 0, tokens: long(50) })
    await step(context, { sequence: 1, position: 0, tokens: Int32Array.of(...prompt, 1, 2, 3) })
    expect(await context.remove(1, prompt.length - 1, -1)).toBe(true)
    expect((await context.positions(1)).max).toBe(prompt.length - 2)
    expect((await context.positions(0)).max).toBe(49)
    const again = await continueGreedily(context, model, prompt.subarray(-1), {
      sequence: 1,
      position: prompt.length - 1,
    })
    expect(again).toEqual(fresh)
  })

  test('copies a sequence with copy(), which continues independently', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await step(context, { sequence: 2, position: 0, tokens: long(30) })
    await step(context, { sequence: 1, position: 0, tokens: prompt })
    await context.copy(1, 2)
    expect(await context.positions(2)).toEqual(await context.positions(1))
    await step(context, { sequence: 1, position: 2, tokens: long(20) })
    const position = prompt.length - 1
    expect(await continueGreedily(context, model, prompt.subarray(-1), { sequence: 2, position })).toEqual(
      fresh,
    )
    await context.copy(2, 2)
    expect((await context.positions(2)).max).toBe(position + 11)
  })

  test('moves the rest of a sequence forward with shift(), and the sequence continues', async () => {
    expect(context.info.canShift).toBe(true)
    await step(context, { sequence: 0, position: 0, tokens: long(60) })
    expect(await context.shift(0, 10, 30)).toBe(true)
    expect(await context.positions(0)).toEqual({ min: 0, max: 39 })
    const next = await step(context, {
      sequence: 0,
      position: 40,
      tokens: Int32Array.of(5),
      outputs: [0],
      sampler: greedy(model),
    })
    expect(next.tokens).toHaveLength(1)
  })

  test('accepts shift() of everything, of nothing and of an empty sequence', async () => {
    await step(context, { sequence: 0, position: 0, tokens: long(20) })
    expect(await context.shift(0, 5, 5)).toBe(true)
    expect((await context.positions(0)).max).toBe(19)
    expect(await context.shift(0, 0, 100)).toBe(true)
    expect((await context.positions(0)).max).toBe(-1)
    expect(await context.shift(0, 0, 10)).toBe(true)
  })

  test('restores a saved sequence in the same place, another one, and another context', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await step(context, { sequence: 0, position: 0, tokens: prompt })
    const state = await context.save(0)
    await step(context, { sequence: 0, position: 0, tokens: long(40) })
    const other = await openContext(model, { sequences: 4 })
    const one = await openContext(model, { sequences: 1 })
    const many = await openContext(model, { sequences: 7 })
    const position = prompt.length - 1
    for (const [where, sequence] of [
      [context, 0],
      [context, 3],
      [other, 1],
      [one, 0],
      [many, 6],
      [many, 0],
    ] as const) {
      await where.restore(sequence, state)
      expect(await where.positions(sequence)).toEqual({ min: 0, max: position })
      expect(await continueGreedily(where, model, prompt.subarray(-1), { sequence, position })).toEqual(fresh)
    }
    // The same from the middle of many, and from the only one.
    await step(many, { sequence: 3, position: 0, tokens: prompt })
    await step(one, { sequence: 0, position: 0, tokens: prompt })
    for (const bytes of [await many.save(3), await one.save(0)]) {
      await context.restore(2, bytes)
      expect(await continueGreedily(context, model, prompt.subarray(-1), { sequence: 2, position })).toEqual(
        fresh,
      )
    }
    for (const opened of [other, one, many]) await opened.close()
  })

  test('saves and restores an empty sequence', async () => {
    await context.remove(0, 0, -1)
    const state = await context.save(0)
    await step(context, { sequence: 1, position: 0, tokens: prompt })
    await context.restore(1, state)
    expect(await context.positions(1)).toEqual({ min: -1, max: -1 })
  })

  test('refuses a damaged state with ERR_STATE, which empties only its sequence', async () => {
    const fresh = await continueGreedily(context, model, prompt)
    await step(context, { sequence: 0, position: 0, tokens: prompt })
    const state = await context.save(0)
    const damaged = [
      new Uint8Array(0),
      new Uint8Array(1000),
      state.subarray(0, 7),
      state.subarray(0, 8),
      state.subarray(0, state.length - 1),
      state.subarray(0, state.length >> 1),
      Uint8Array.of(...state, 0),
      ...Array.from({ length: 60 }, (_, i) => {
        const copy = Uint8Array.from(state)
        const at = i < 40 ? i : Math.floor((state.length - 1) / (i - 38))
        copy[at] = copy[at]! ^ (1 << (i % 8))
        return copy
      }),
    ]
    const position = prompt.length - 1
    for (const bytes of damaged) {
      await step(context, { sequence: 1, position: 0, tokens: prompt })
      await expect(context.restore(1, bytes)).rejects.toThrow(code('ERR_STATE'))
      expect(await context.positions(0)).toEqual({ min: 0, max: position })
      expect(await context.positions(1)).toEqual({ min: -1, max: -1 })
    }
    expect(await continueGreedily(context, model, prompt.subarray(-1), { position })).toEqual(fresh)
    expect(await continueGreedily(context, model, prompt, { sequence: 1 })).toEqual(fresh)
  })

  test('refuses a state of another model, or of more tokens than fit', async () => {
    const tiny = await openTiny('llama')
    const foreign = await openContext(tiny)
    await step(foreign, { sequence: 0, position: 0, tokens: Int32Array.of(3, 4, 5) })
    await expect(context.restore(0, await foreign.save(0))).rejects.toThrow(code('ERR_STATE'))
    await step(context, { sequence: 0, position: 0, tokens: long(256) })
    await step(context, { sequence: 0, position: 256, tokens: long(200) })
    const small = await openContext(model, { contextSize: 256 })
    await expect(small.restore(0, await context.save(0))).rejects.toThrow(code('ERR_STATE'))
    expect(await continueGreedily(small, model, prompt, { count: 2 })).toEqual(
      await continueGreedily(context, model, prompt, { count: 2 }),
    )
    await foreign.close()
    await small.close()
  })
})

describe('abort()', () => {
  // Hits the step at whatever point it has reached: what must hold does so at each.
  test.each(['embedded', 'llama', 'gemma3', 'mamba', 'lfm2'] as const)(
    'interrupts a long prompt, and positions() then reports a prefix that can be continued: %s',
    async (name) => {
      const its = name === 'embedded' ? model : await openTiny(name)
      const where = await openContext(its, { batchSize: 512, microBatchSize: 16 })
      const ids = Int32Array.from({ length: 300 }, (_, i) => 3 + ((i * 7) % (its.info.vocabSize - 3)))
      const [head, rest] = [ids.subarray(0, 20), ids.subarray(20)]
      const fresh = await continueGreedily(where, its, ids, { count: 4 })
      for (let round = 0; round < 6; round++) {
        await step(where, { sequence: 0, position: 0, tokens: head })
        const running = where.eval([{ sequence: 0, position: 20, tokens: rest }]).then(
          () => 'done',
          (error) => error.code,
        )
        await turns(round * 8)
        where.abort()
        const outcome = await running
        const held = (await where.positions(0)).max + 1
        if (outcome === 'done') expect(held).toBe(ids.length)
        else expect(outcome).toBe('ERR_ABORTED')
        const from = Math.min(held, ids.length - 1)
        const position = its.info.isRecurrent || its.info.isHybrid ? (held === ids.length ? 0 : held) : from
        const again = await continueGreedily(where, its, ids.subarray(position), { count: 4, position })
        expect(again).toEqual(fresh)
      }
      await where.close()
    },
  )

  test('rejects every waiting step, and no later one', async () => {
    const before = Array.from({ length: 5 }, (_, sequence) =>
      context.eval([{ sequence: sequence % 4, position: 0, tokens: long(200) }]),
    )
    context.abort()
    const after = step(context, {
      sequence: 0,
      position: 0,
      tokens: prompt,
      outputs: [prompt.length - 1],
      sampler: greedy(model),
    })
    const settled = await Promise.allSettled(before)
    const late = settled.slice(1) // the first may have been done by then
    expect(late.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(
      late.map(() => 'ERR_ABORTED'),
    )
    expect((await after).tokens).toHaveLength(1)
  })

  test('cancels steps only: other queued calls complete', async () => {
    const where = await openContext(model, { sequences: 6, batchSize: 512, microBatchSize: 512 })
    const fresh = await continueGreedily(where, model, prompt)
    await step(where, { sequence: 0, position: 0, tokens: prompt })
    const state = await where.save(0)
    const position = prompt.length - 1
    for (let round = 0; round < 20; round++) {
      const given = where.eval([{ sequence: 5, position: 0, tokens: long(500) }]).then(
        () => 'done',
        (error) => error.code,
      )
      const asked = Promise.all([
        where.save(0),
        where.copy(0, 1),
        where.restore(2, state),
        where.positions(0),
        where.remove(1, 0, -1),
        where.copy(0, 1),
        where.shift(3, 0, 1),
      ])
      await turns(round)
      where.abort()
      expect(await given).toMatch(/^(done|ERR_ABORTED)$/)
      const held = { min: 0, max: position }
      expect(await asked).toEqual([state, undefined, undefined, held, true, undefined, true])
      for (const sequence of [1, 2]) expect(await where.positions(sequence)).toEqual(held)
    }
    for (const sequence of [0, 1, 2])
      expect(await continueGreedily(where, model, prompt.subarray(-1), { sequence, position })).toEqual(fresh)
    await where.close()
  })

  test('does nothing if no step is running', async () => {
    context.abort()
    context.abort()
    expect(await firstTokens(context, [greedy(model)], prompt)).toEqual([expect.any(Number)])
  })
})

describe('close()', () => {
  test('rejects the steps in flight and in the queue with ERR_CLOSED', async () => {
    for (let round = 0; round < 5; round++) {
      const closing = await binding.Context.create(model, { ...SHAPE, batchSize: 512 })
      const asked = [0, 1, 2].map(() => closing.eval([{ sequence: 0, position: 0, tokens: long(500) }]))
      const outcomes = Promise.allSettled(asked)
      await turns(round)
      await closing.close()
      const settled = await outcomes
      for (const one of settled) {
        if (one.status === 'rejected') expect(one.reason).toEqual(code('ERR_CLOSED'))
      }
      expect(settled.at(-1)!.status).toBe('rejected')
    }
  })

  test('is idempotent, and every call resolves', async () => {
    const closing = await binding.Context.create(model, SHAPE)
    const both = [closing.close(), closing.close()]
    expect(await Promise.all(both)).toEqual([undefined, undefined])
    expect(await closing.close()).toBeUndefined()
  })

  test('makes every later call throw ERR_CLOSED, except abort(), which does nothing', async () => {
    const closed = await binding.Context.create(model, SHAPE)
    const closing = closed.close()
    const calls = () => [
      () => closed.eval([{ sequence: 0, position: 0, tokens: prompt }]),
      () => closed.remove(0, 0, -1),
      () => closed.copy(0, 0),
      () => closed.shift(0, 0, 1),
      () => closed.positions(0),
      () => closed.save(0),
      () => closed.restore(0, new Uint8Array(9)),
      () => closed.setThreads(1, 1, false),
    ]
    for (const call of calls()) expect(call).toThrow(code('ERR_CLOSED'))
    closed.abort()
    await closing
    for (const call of calls()) expect(call).toThrow(code('ERR_CLOSED'))
    closed.abort()
    expect(closed.info.sequences).toBe(1)
  })

  test('is noticed if a getter of an argument calls it', async () => {
    const closed = await binding.Context.create(model, SHAPE)
    const entry = {
      sequence: 0,
      position: 0,
      get tokens() {
        void closed.close()
        return prompt
      },
    }
    expect(() => closed.eval([entry])).toThrow(code('ERR_CLOSED'))
    await closed.close()
  })

  test('of a model leaves its contexts working', async () => {
    const short = await openModel()
    const living = await openContext(short)
    short.close()
    short.close()
    expect(() => short.tokenize('x', false, false)).toThrow(code('ERR_CLOSED'))
    expect(() => short.tokenizeLater(plain('x'))).toThrow(code('ERR_CLOSED'))
    expect(() => short.detokenize(prompt, false)).toThrow(code('ERR_CLOSED'))
    expect(() => short.tokenBytes(1, false)).toThrow(code('ERR_CLOSED'))
    expect(() => short.chatTemplate()).toThrow(code('ERR_CLOSED'))
    expect(() => new binding.ChatTemplate(short, undefined)).toThrow(code('ERR_CLOSED'))
    expect(() => binding.Context.create(short, SHAPE)).toThrow(code('ERR_CLOSED'))
    expect(await firstTokens(living, [greedy(model)], prompt)).toEqual([expect.any(Number)])
    await living.close()
  })
})

describe('several objects at once:', () => {
  test('two models answer side by side', async () => {
    const tiny = await openTiny('llama')
    const other = await openContext(tiny)
    const alone = [
      await continueGreedily(context, model, prompt),
      await continueGreedily(other, tiny, Int32Array.of(3, 4, 5)),
    ]
    const together = await Promise.all([
      continueGreedily(context, model, prompt),
      continueGreedily(other, tiny, Int32Array.of(3, 4, 5)),
    ])
    expect(together).toEqual(alone)
    await other.close()
  })

  test('a sampler can be used by JavaScript while a step samples with it', async () => {
    const sampler = new binding.Sampler(model.info.vocabSize, {
      ...GREEDY,
      repeatPenalty: 1.1,
      repeatLastN: 64,
    })
    const logits = new Float32Array(model.info.vocabSize)
    const steps = Array.from({ length: 40 }, (_, i) =>
      step(context, { sequence: i % 4, position: 0, tokens: prompt, outputs: [prompt.length - 1], sampler }),
    )
    let done = false
    const all = Promise.all(steps).finally(() => {
      done = true
    })
    while (!done) {
      sampler.sample(logits)
      sampler.accept(3)
      await turns(1)
    }
    expect(await all).toHaveLength(40)
  })

  test('two contexts of one model share a sampler', async () => {
    const other = await openContext(model)
    const sampler = greedy(model)
    const entry = { sequence: 0, position: 0, tokens: prompt, outputs: [prompt.length - 1], sampler }
    const [a, b] = await Promise.all([step(context, entry), step(other, entry)])
    expect(a.tokens).toEqual(b.tokens)
    await other.close()
  })
})

describe('models that are not plain decoders:', () => {
  test.each(['gemma3', 'llama-moe', 'mamba', 'lfm2'] as const)(
    '%s gives the same results for one sequence or two',
    async (name) => {
      const its = await openTiny(name)
      const where = await openContext(its, { sequences: 2 })
      const [one, two] = [Int32Array.from({ length: 40 }, (_, i) => 3 + i), Int32Array.of(9, 8, 7)]
      const alone = [
        await continueGreedily(where, its, one),
        await continueGreedily(where, its, two, { sequence: 1 }),
      ]
      const samplers = [greedy(its), greedy(its)]
      const first = await firstTokens(where, samplers, one, two)
      expect(first).toEqual([alone[0]![0], alone[1]![0]])
      await where.close()
    },
  )

  test.each(['mamba', 'lfm2'] as const)(
    '%s cannot roll back, and says so before it evaluates',
    async (name) => {
      const its = await openTiny(name)
      const where = await openContext(its)
      const ids = Int32Array.from({ length: 40 }, (_, i) => 3 + i)
      const fresh = await continueGreedily(where, its, ids, { count: 3 })
      await step(where, { sequence: 0, position: 0, tokens: ids })
      const back = where.eval([{ sequence: 0, position: 20, tokens: ids.subarray(20) }])
      await expect(back).rejects.toThrow(code('ERR_CANNOT_ROLL_BACK'))
      expect((await where.positions(0)).max).toBe(39)
      expect(await where.remove(0, 20, -1)).toBe(false)
      expect(await where.remove(0, 0, -1)).toBe(true)
      expect(await continueGreedily(where, its, ids, { count: 3 })).toEqual(fresh)
      await where.close()
    },
  )

  test.each(['t5', 'bert', 'llada'] as const)('%s gets no context', async (name) => {
    const its = await openTiny(name)
    const made = async () => binding.Context.create(its, SHAPE)
    await expect(made()).rejects.toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }))
  })

  test('a vocabulary alone gets no context', async () => {
    const vocabulary = await openModel(undefined, true)
    expect(() => binding.Context.create(vocabulary, SHAPE)).toThrow(code('ERR_ARGUMENT'))
  })
})

async function firstTokens(
  where: NativeContext,
  samplers: readonly ReturnType<typeof greedy>[],
  ...prompts: readonly Int32Array[]
): Promise<number[]> {
  const results = await where.eval(
    prompts.map((ids, sequence) => ({
      sequence,
      position: 0,
      tokens: ids,
      outputs: [ids.length - 1],
      sampler: samplers[sequence]!,
    })),
  )
  return results.map((result) => result.tokens[0]!)
}
