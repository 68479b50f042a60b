declare module '*/scripts/llama-tools.mjs' {
  type Room = { readonly rpcServer: string }
  export function llamaToolsRoom(set: 'rpc'): Promise<Room | undefined>
  export function areBuilt(room: Room | undefined): boolean
}
