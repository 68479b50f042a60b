// The rows of the table, in its order.
import { native } from './rows/native.mjs'
import { peers } from './rows/peers.mjs'

export const rows = [...native, ...peers]
