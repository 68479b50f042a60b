import { compareGreedy } from '../parity/compare.mjs'

compareGreedy(2)
