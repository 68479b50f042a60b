import type { Bodies } from '../body/body.ts'
import type { Exchange } from '../exchange.ts'
import type { ModelPool } from '../models/pool.ts'
import type { ResolvedServerOptions } from '../options.ts'
import { type Sent, UnknownFields } from './fields.ts'

/** A request, and what answers it. */
export type RouteCall = {
  readonly request: Request
  readonly exchange: Exchange
  readonly pool: ModelPool
  readonly bodies: Bodies
  readonly options: ResolvedServerOptions
}

/** What the request's body asks for, as `read` makes it of the fields. Tells of those that have no effect. */
export async function askedOf<Asked>(
  { request, exchange, pool, bodies, options }: RouteCall,
  read: (body: Sent, unknown: UnknownFields) => Asked,
): Promise<Asked> {
  pool.refuseAny()
  const unknown = new UnknownFields(options.strict)
  const asked = await bodies.read(request, exchange, (body) => read(body, unknown))
  exchange.noteWithoutEffect(unknown.paths)
  return asked
}
