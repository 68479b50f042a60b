// A plugin of StrykerJS that keeps a part of the mutants, by chance: for a first figure of a large room.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

const share = Number(process.env.MUTATION_SHARE ?? 1)

/** Statements without statements inside are kept or left out whole, always the same ones. */
const isLeaf = (path) => {
  if (!path.isStatement() || path.isBlockStatement()) return false
  let isInner = false
  path.traverse({
    Statement(inner) {
      if (inner.isBlockStatement()) return
      isInner = true
      inner.stop()
    },
  })
  return !isInner
}

function chance({ line, column }) {
  const mixed = Math.imul(line * 977 + column + 1, 2654435761)
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'sample', {
    shouldIgnore: (path) =>
      share < 1 && isLeaf(path) && path.node.loc && chance(path.node.loc.start) >= share
        ? 'not in the sample'
        : undefined,
  }),
]
