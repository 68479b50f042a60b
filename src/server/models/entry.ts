import { IsolatedEngine, type IsolatedEngineOptions, type ModelOptions } from '../../index.ts'
import type { AnyModel, Purpose } from './purpose.ts'

/** A model of a pool, loaded or not. */
export type Entry = {
  readonly id: string
  readonly created: number
  /** Passed by the caller, who closes it. */
  readonly isGiven: boolean
  /** Of a model that was passed by the caller. */
  purpose: Purpose | undefined
  model: AnyModel | undefined
  /** The model's own engine, kept even if the model cannot be opened because it crashes. */
  engine: IsolatedEngine | undefined
  opening: Promise<AnyModel> | undefined
  closing: Promise<void> | undefined
  /** Aborts loading. */
  giveUp: AbortController
  /** Requested generations that are not over: until then the model must not be unloaded. */
  active: number
  /** `active`, plus generations that wait for room to load the model. */
  asked: number
  lastUsed: number
  idleTimer: NodeJS.Timeout | undefined
}

export function newEntry(id: string, created: number): Entry {
  return {
    id,
    created,
    isGiven: false,
    purpose: undefined,
    model: undefined,
    engine: undefined,
    opening: undefined,
    closing: undefined,
    giveUp: new AbortController(),
    active: 0,
    asked: 0,
    lastUsed: 0,
    idleTimer: undefined,
  }
}

export const engineOf = ({ engine, model }: Entry) => engine ?? model?.engine

/** An engine for one model, if it is to be isolated: crashes of repeated loads are counted together. */
export function ownEngine({ isolated, rpcServers = [] }: ModelOptions): IsolatedEngine | undefined {
  if (isolated instanceof IsolatedEngine || (!isolated && rpcServers.length === 0)) return undefined
  return new IsolatedEngine(typeof isolated === 'object' ? (isolated as IsolatedEngineOptions) : {})
}
