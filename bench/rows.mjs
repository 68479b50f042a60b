// The rows of the table, in its order.
import { embedRows } from './rows/embed.mjs'
import { embedServer } from './rows/embed-server.mjs'
import { engineRows } from './rows/engine.mjs'
import { isolatedRows } from './rows/isolated.mjs'
import { kernels } from './rows/kernels.mjs'
import { native } from './rows/native.mjs'
import { pace } from './rows/pace.mjs'
import { peers } from './rows/peers.mjs'
import { serverRows } from './rows/server.mjs'
import { terminalRows } from './rows/terminal.mjs'

export const rows = [
  ...native,
  ...engineRows,
  ...pace,
  ...kernels,
  ...serverRows,
  ...terminalRows,
  ...isolatedRows,
  ...peers,
  ...embedRows,
  embedServer,
]
