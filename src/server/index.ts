export type { SamplingDefaults, ServerOptions } from './options.ts'
export { createServer, type ListenOptions, ModelServer } from './server.ts'
