import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = join(import.meta.dirname, '..', '..', 'src')

/** Floors of the house, lowest first: a file imports from its own floor and those below. */
const FLOORS = [
  /^(aborts|errors|logger|queue|checks|cache-folder|json-shape|regular-file|whole-file|options|compute-options|distribution-options|generate-options|printable|version)\.ts$/,
  /^(native|models|engine|chat)\//,
  /^isolated\/|^(gpt4all|open-model|conversation|generation|generation-result|generation-run|chat-session|loaded-model|local-runs|start-engine|model-files|model-files-options|embed4all)\.ts$/,
  /^index\.ts$/,
  /^(server|cli|compat)\//,
]
/** What hosts may import of the library. */
const FACE = 'index.ts'
/** And what stands on Node.js alone: another copy of it in their bundle is as good. */
const LEAVES = ['json-shape.ts', 'regular-file.ts', 'whole-file.ts']

type Edge = { readonly from: string; readonly to: string; readonly typeOnly: boolean }

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(sep).join('/'))
  .sort()
const textOf = (file: string) => readFileSync(join(src, file), 'utf8')

function edgesOf(from: string): Edge[] {
  const statements = textOf(from).matchAll(
    /^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?'(\.[^']+\.ts)'/gms,
  )
  return Array.from(statements, ([, type, names = '', path]) => ({
    from,
    to: relative(src, join(src, dirname(from), path!))
      .split(sep)
      .join('/'),
    // `import { type A, type B }` is erased as well.
    typeOnly: type !== undefined || /^\{(\s*type\s+\w+(\s+as\s+\w+)?\s*,?)+\}$/.test(names.trim()),
  }))
}

const edges = files.flatMap(edgesOf)
const floorOf = (file: string) => FLOORS.findIndex((floor) => floor.test(file))

describe('the import lines of src/', () => {
  test('are read: every file but the lowest imports something, and all of it exists', () => {
    expect(edges.length).toBeGreaterThan(20)
    for (const { to } of edges) expect(files).toContain(to)
  })

  test('every file has a floor', () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([])
  })

  test('point down or across, never up', () => {
    // A type is no dependency at run time, but what it names must still lie no higher, except for the contract
    // of the addon: plain data that every floor may speak of.
    const up = edges.filter(({ from, to, typeOnly }) => {
      if (typeOnly && (to === 'native/types.ts' || to === 'models/progress.ts')) return false
      return floorOf(to) > floorOf(from)
    })
    expect(up).toEqual([])
  })

  test('hosts import the public index only, and leaves that import nothing of ours', () => {
    const hosts = FLOORS.length - 1
    const inward = edges.filter(
      ({ from, to }) => floorOf(from) === hosts && floorOf(to) !== hosts && ![FACE, ...LEAVES].includes(to),
    )
    expect(inward).toEqual([])
    expect(edges.filter(({ from }) => LEAVES.includes(from))).toEqual([])
  })

  test('form no cycle at run time', () => {
    const next = (file: string) =>
      edges.filter((edge) => edge.from === file && !edge.typeOnly).map((edge) => edge.to)
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      expect(path, `${[...path, file].join(' -> ')}`).not.toContain(file)
      if (done.has(file)) return
      for (const to of next(file)) visit(to, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
  })
})

describe('the text of src/', () => {
  test.each(files)('%s exports by name, and prints only in the command line', (file) => {
    const text = textOf(file)
    expect(text).not.toMatch(/^export\s+\*/m)
    expect(text).not.toMatch(/^export default/m)
    const code = text.replace(/^\s*(\*|\/\*|\/\/).*$/gm, '')
    if (!file.startsWith('cli/')) expect(code).not.toMatch(/\bconsole\.\w+\(|process\.stdout/)
  })

  test('index.ts is named exports and nothing else', () => {
    const rest = textOf(FACE)
      .replace(/export (type )?\{[^}]*\} from '[^']+'/g, '')
      .trim()
    expect(rest).toBe('')
  })
})
