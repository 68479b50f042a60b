declare module '*/scripts/llama-tools.mjs' {
  type Room = { readonly rpcServer: string; readonly tokenize: string }
  export function llamaToolsRoom(set: 'rpc' | 'tokenize'): Promise<Room | undefined>
  export function areBuilt(room: Room | undefined): boolean
}
