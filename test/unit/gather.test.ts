import { describe, expect, test } from 'vitest'
import { Slot } from '../../src/scheduler/cache/slots.ts'
import { gather } from '../../src/scheduler/gather.ts'
import type { Ask, Request } from '../../src/scheduler/request.ts'

/** Asks of sequences with so many tokens, of which so many are cached, each with a slot unless it has none left. */
function step(
  sequences: readonly [tokens: number, cached: number][],
  room = 512,
  beside = 64,
  slots = 99,
  ids: readonly number[] = [],
) {
  const made = sequences.map(([count, cached], id) => {
    const slot = new Slot<Request>(ids[id] ?? id)
    slot.hold(
      Array.from({ length: cached }, (_, i) => i),
      0,
    )
    const tokens = Array.from({ length: count }, (_, i) => i)
    const cachedTokens = cached > 0 ? 0 : undefined
    const request = { tokens, promptLength: count, cachedTokens } as unknown as Request
    return { slot, request, ask: { request, batchSize: 512 } as Ask }
  })
  const slotOf = (request: Request) =>
    made.find((one) => one.request === request && one.slot.id < slots)?.slot
  const pending = (request: Request) => request.tokens.length - (slotOf(request)?.tokens.length ?? 0)
  const asks = made.map(({ ask }) => ask)
  const served = Math.min(slots, asks.length)
  const work = gather(asks, {
    slotOf,
    pending,
    mostTokens: room,
    beside,
    served,
    guess: undefined,
    deterministic: false,
  })
  return work.map(({ slot, tokens, last }) => [slot.id, tokens.length, last])
}

describe('a step of the scheduler', () => {
  test('evaluates every stream, whatever prompts came before', () => {
    expect(
      step([
        [1000, 0],
        [10, 9],
        [20, 19],
      ]),
    ).toEqual([
      [0, 64, false],
      [1, 1, true],
      [2, 1, true],
    ])
  })

  test('lets a prompt of one token wait like any other', () => {
    expect(
      step(
        [
          [400, 0],
          [300, 0],
          [1, 0],
        ],
        512,
      ),
    ).toEqual([
      [0, 400, true],
      [1, 112, false],
    ])
  })

  test('has its sequences in the order of their slots, whichever asked first', () => {
    const slots = [2, 0, 1]
    expect(
      step(
        [
          [10, 9],
          [20, 19],
          [30, 29],
        ],
        512,
        64,
        99,
        slots,
      ).map(([id]) => id),
    ).toEqual([0, 1, 2])
  })

  test('gives prompts all the room in order of arrival if no stream runs', () => {
    expect(
      step([
        [400, 0],
        [300, 100],
        [50, 0],
      ]),
    ).toEqual([
      [0, 400, true],
      [1, 112, false],
    ])
  })

  test('lets prompts share what fits beside streams', () => {
    expect(
      step([
        [40, 0],
        [10, 9],
        [100, 0],
      ]),
    ).toEqual([
      [0, 40, true],
      [1, 1, true],
      [2, 64, false],
    ])
  })

  test('takes longer slices of prompts the more prompts wait for each stream', () => {
    const evaluated = (streams: number, prompts: number, slots = 99) =>
      step(
        [
          ...Array.from({ length: streams }, (): [number, number] => [10, 9]),
          ...Array.from({ length: prompts }, (): [number, number] => [100, 0]),
        ],
        1024,
        40,
        slots,
      ).reduce((sum, [, count]) => sum + Number(count), -streams)
    expect([evaluated(7, 1), evaluated(4, 4), evaluated(2, 3), evaluated(1, 7), evaluated(1, 50, 3)]).toEqual(
      [40, 40, 60, 160, 80],
    )
  })

  test('counts a prompt for no more than it has', () => {
    const short = Array.from({ length: 6 }, (): [number, number] => [2, 0])
    const taken = step([[10, 9], ...short, [500, 0]], 512, 40)
    expect(taken.at(-1)).toEqual([7, 40, false])
  })

  test('leaves out requests without a slot', () => {
    expect(
      step(
        [
          [40, 0],
          [50, 0],
          [60, 0],
        ],
        512,
        64,
        2,
      ),
    ).toEqual([
      [0, 40, true],
      [1, 50, true],
    ])
  })

  test('never takes more than its room, even for streams', () => {
    expect(
      step(
        [
          [10, 9],
          [10, 9],
          [10, 9],
        ],
        2,
      ),
    ).toEqual([
      [0, 1, true],
      [1, 1, true],
    ])
  })
})
