export type { ServerOptions } from './options.ts'
export type { SamplingDefaults } from './sampling.ts'
export { createServer, type ListenOptions, ModelServer } from './server.ts'
