import { seeded } from '../../support/gguf-writer.ts'
import { BLIND } from './blind.ts'
import type { Damaged, Mutation, Random } from './hostile.ts'
import { HYPERPARAMETERS } from './hyperparameters.ts'
import { METADATA } from './metadata.ts'
import { TENSORS } from './tensors.ts'
import { VOCABULARIES } from './vocabularies.ts'

/** A generator of its own for (seed, index). */
export function randomOf(seed: number, index: number): Random {
  const draw = seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
  return {
    below: (limit) => Math.floor(draw() * limit),
    pick: (values) => {
      if (values.length === 0) throw new NothingToDamage()
      return values[Math.floor(draw() * values.length)]!
    },
  }
}

const OF_MODELS: readonly (readonly Mutation[])[] = [
  BLIND,
  METADATA,
  TENSORS,
  HYPERPARAMETERS,
  HYPERPARAMETERS,
  VOCABULARIES,
]
/** Of files without a vocabulary, or without metadata of a model. */
const OF_OTHERS: readonly (readonly Mutation[])[] = [BLIND, METADATA, TENSORS]

/** Damages a GGUF file: blindly (bits, bytes, ends) or knowingly. */
export function damage(source: Buffer, random: Random, isModel: boolean): Damaged {
  for (;;) {
    const mutate = random.pick(random.pick(isModel ? OF_MODELS : OF_OTHERS))
    try {
      return mutate(source, random)
    } catch (error) {
      if (!(error instanceof NothingToDamage)) throw error
    }
  }
}

/** The file has nothing of the kind that a mutation changes: another one is taken. */
class NothingToDamage extends Error {}
