/** Model options for where the engine runs: in a process of its own, on several machines. */

import { type EngineCrashedError, optionError } from '../core/errors.ts'
import { checkObject, MAX_FLOAT } from './checks.ts'
import { DEFAULTS } from './defaults.ts'
import { callable, define, limit, number, Option, type Resolved } from './define.ts'

/** Options of `new IsolatedEngine(options)`, and of the model option `isolated`. */
export type IsolatedEngineOptions = {
  /**
   * How often the process is restarted after crashes within `restartWindow`: an integer of 0 or more, or
   * `Infinity`. After one crash more the engine stays down, and calls reject with `ERR_ENGINE_CRASHED` at
   * once until `reset()`.
   * @default 5
   */
  readonly maxRestarts?: number | undefined
  /**
   * Period in milliseconds over which crashes are counted, at least 1.
   * @default 60000
   */
  readonly restartWindow?: number | undefined
  /**
   * Called once per crash, after the calls in progress have been rejected. If the crash was one too many,
   * `state` is already `'down'`. An exception in it is an uncaught exception, as in any event listener.
   * @default undefined
   */
  readonly onCrash?: ((crash: EngineCrashedError) => void) | undefined
  /**
   * Additional environment variables for the process. It does not inherit the program's environment, except
   * for what Node.js, the loader, drivers and downloads need (`docs/isolation.md` lists it).
   * @default undefined
   */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** What models need to know of an `IsolatedEngine`; anything else is refused with `ERR_OPTION`. */
export interface EngineHandle {
  /** Process id of the engine; `undefined` while it does not run. */
  readonly pid: number | undefined
  /** `down` after too many crashes in a row; see `IsolatedEngine`. */
  readonly state: 'idle' | 'running' | 'down' | 'closed'
  /** Ends the process; calls under way reject with `ERR_CLOSED`. */
  close(): Promise<void>
}

export type DistributionOptions = {
  /**
   * Load and compute in a separate process: a crash there rejects calls with `ERR_ENGINE_CRASHED` instead of
   * ending the program, and the next call starts a new process. `true`, options for that process, or an
   * `IsolatedEngine` that several models share. Always on with `rpcServers`.
   * @default false
   */
  readonly isolated?: boolean | IsolatedEngineOptions | EngineHandle | undefined
  /**
   * Machines that hold a part of the model, as `host:port` of their `ggml-rpc-server`, at most 16. The layers
   * are split over all of them. Only for a network you trust: the connection is neither encrypted nor
   * authenticated. Implies an isolated engine, because llama.cpp ends its process when it loses a server.
   * Source: `--rpc` of llama.cpp.
   * @default undefined
   */
  readonly rpcServers?: readonly string[] | undefined
  /**
   * How the layers are divided among devices: one number of 0 or more per device, first those of `rpcServers`
   * in order, then local GPUs. Only the proportions matter. Without it, layers are divided by free memory.
   * Source: `--tensor-split` of llama.cpp.
   * @default undefined
   */
  readonly tensorSplit?: readonly number[] | undefined
}

export type ResolvedDistributionOptions = {
  readonly isolated: IsolatedEngineOptions | EngineHandle | undefined
  readonly rpcServers: readonly string[]
  readonly tensorSplit: readonly number[]
}

/** ggml's own limit (GGML_RPC_MAX_SERVERS). */
const MAX_SERVERS = 16
/** llama.cpp's own limit (llama_max_devices). */
const MAX_DEVICES = 16
const LONGEST_WINDOW = 2 ** 40

export const DISTRIBUTION = define<DistributionOptions>()({
  isolated: new Option(isolation),
  rpcServers: new Option(servers),
  tensorSplit: new Option(shares),
})

/**
 * `isRefused`: `isolated` was given as `false`.
 * @throws {TypeError} `ERR_OPTION` for that with `rpcServers`
 */
export function resolveDistributionOptions(
  { isolated, rpcServers, tensorSplit }: Resolved<typeof DISTRIBUTION>,
  isRefused: boolean,
): ResolvedDistributionOptions {
  if (rpcServers.length > 0 && isRefused)
    throw optionError('isolated', 'true or no value with rpcServers', false)
  return { isolated: isolated ?? (rpcServers.length > 0 ? {} : undefined), rpcServers, tensorSplit }
}

/** `host:port` of a server, as it was given. @throws {TypeError} `ERR_OPTION` naming `name` */
function rpcServer(name: string, value: unknown): string {
  const [, port] = typeof value === 'string' ? (/^[^\s:[\]/]+:(\d{1,5})$/.exec(value) ?? []) : []
  if (port !== undefined && Number(port) > 0 && Number(port) < 2 ** 16) return value as string
  throw optionError(
    name,
    'the host:port of a ggml-rpc-server (a name or an IPv4 address, a port from 1 to 65535)',
    value,
  )
}

const ENGINE = define<IsolatedEngineOptions>()({
  maxRestarts: limit().default(DEFAULTS.maxRestarts),
  restartWindow: number(1, LONGEST_WINDOW).default(DEFAULTS.restartWindow),
  onCrash: callable<NonNullable<IsolatedEngineOptions['onCrash']>>(),
  env: new Option(variables),
})

export const resolveEngineOptions = (options?: IsolatedEngineOptions) => ENGINE.resolve(options)

function variables(name: string, value: unknown = {}): Readonly<Record<string, string>> {
  checkObject(name, value)
  const isText = (text: unknown) => typeof text === 'string' && !text.includes('\0')
  for (const [variable, text] of Object.entries(value as object))
    if (!isText(variable) || variable === '' || variable.includes('=') || !isText(text))
      throw optionError(name, 'an object of strings by variable name', value)
  return { ...(value as Record<string, string>) }
}

function servers(name: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MAX_SERVERS)
    throw optionError(name, `an array of at most ${MAX_SERVERS} host:port`, value)
  const list = Array.from(value, (server: unknown, i) => rpcServer(`${name}[${i}]`, server))
  const twice = list.findIndex((server, i) => list.indexOf(server) !== i)
  if (twice >= 0) throw optionError(`${name}[${twice}]`, 'no server twice', list[twice])
  return list
}

function isolation(name: string, value: unknown): ResolvedDistributionOptions['isolated'] {
  if (value === undefined || value === false) return undefined
  if (value === true) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw optionError(name, 'true, false, options or an IsolatedEngine', value)
  return value as IsolatedEngineOptions | EngineHandle
}

function shares(name: string, value: unknown): readonly number[] {
  if (value === undefined) return []
  const list: unknown[] = Array.isArray(value) ? [...value] : []
  const areValid = list.every((share) => typeof share === 'number' && share >= 0 && share <= MAX_FLOAT)
  const sum = (list as number[]).reduce((total, share) => total + share, 0)
  if (!areValid || list.length === 0 || list.length > MAX_DEVICES || !(sum > 0))
    throw optionError(name, `an array of 1 to ${MAX_DEVICES} numbers of 0 or more, not all 0`, value)
  return list as number[]
}
