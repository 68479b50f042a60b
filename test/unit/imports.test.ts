import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = join(import.meta.dirname, '..', '..', 'src')

/** The folders of the library, in order: a folder imports from itself and from those before it. */
const FOLDERS = [
  'core',
  'native',
  'options',
  'models',
  'loading',
  'scheduler',
  'generation',
  'embedding',
  'chat',
  'runtime',
]
/** Programs on top of the library: they import its public index, and the command line starts the server. */
const HOSTS = ['compat', 'server', 'cli']
/** The files beside the folders may import from all folders but hosts. */
const ROOT = '.'
const ORDER = [...FOLDERS, ROOT, ...HOSTS]
/** What hosts may import of the library. */
const FACE = 'index.ts'
/** And what stands on Node.js and packages alone: another copy of it in their bundle is as good. */
const LEAVES = [
  'core/async.ts',
  'core/json-shape.ts',
  'core/logger.ts',
  'core/regular-file.ts',
  'core/suggest.ts',
  'core/whole-file.ts',
  'models/download/mirror.ts',
  'models/hub/name.ts',
  'options/define.ts',
]
/** What leaves may import too, but hosts may not: bad arguments have a brand, so a copy makes the same errors. */
const STEMS = [
  'models/download/address.ts',
  'core/errors.ts',
  'models/names.ts',
  'options/checks.ts',
  'options/path-text.ts',
]
/** A folder, or a file beside the folders, stands one floor above the highest that it imports from. */
const MOST_FLOORS = 11
const MOST_FILES = 14
const MOST_ROOT_FILES = 6

type Edge = { readonly from: string; readonly to: string }

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(sep).join('/'))
  .sort()
const textOf = (file: string) => readFileSync(join(src, file), 'utf8')

function edgesOf(from: string): Edge[] {
  const statements = textOf(from).matchAll(
    /(?:^(?:import|export)\s(?:[^'";]*?\sfrom\s+)?|\bimport\()'(\.[^']+\.ts)'/gms,
  )
  return Array.from(statements, ([, path]) => ({
    from,
    to: relative(src, join(src, dirname(from), path!))
      .split(sep)
      .join('/'),
  }))
}

const edges = files.flatMap(edgesOf)
const folderOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : ROOT)
const floorOf = (file: string) => ORDER.indexOf(folderOf(file))

describe('the import lines of src/', () => {
  test('are read, those of types included, and lead to files that exist', () => {
    expect(edges.length).toBeGreaterThan(files.length)
    for (const { to } of edges) expect(files).toContain(to)
  })

  test('come from folders that have a place in the order', () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([])
  })

  test('never lead to a later folder', () => {
    expect(edges.filter(({ from, to }) => floorOf(to) > floorOf(from))).toEqual([])
  })

  test('do not exist in the contract of the addon', () => {
    expect(edges.filter(({ from }) => from === 'native/contract.ts')).toEqual([])
  })

  test('of hosts lead to the public index and to leaves only; leaves import leaves and stems only', () => {
    const isHost = (file: string) => HOSTS.includes(folderOf(file))
    const inward = edges.filter(
      ({ from, to }) => isHost(from) && !isHost(to) && ![FACE, ...LEAVES].includes(to),
    )
    expect(inward).toEqual([])
    const copied = [...LEAVES, ...STEMS]
    expect(edges.filter(({ from, to }) => copied.includes(from) && !copied.includes(to))).toEqual([])
  })

  test(`build no more than ${MOST_FLOORS} floors`, () => {
    const roomOf = (file: string) => (file.includes('/') ? folderOf(file) : file)
    const rooms = new Map(files.map((file) => [roomOf(file), new Set<string>()]))
    for (const { from, to } of edges)
      if (roomOf(from) !== roomOf(to)) rooms.get(roomOf(from))!.add(roomOf(to))
    const heights = new Map<string, number>()
    const heightOf = (room: string): number => {
      const known = heights.get(room) ?? 1 + Math.max(0, ...[...rooms.get(room)!].map(heightOf))
      heights.set(room, known)
      return known
    }
    expect(Math.max(...[...rooms.keys()].map(heightOf))).toBeLessThanOrEqual(MOST_FLOORS)
  })

  test('form no circle', () => {
    expect(circlesOf(files, edges)).toEqual([])
  })

  test('form no circle between the subfolders of a folder', () => {
    const subfolderOf = (file: string) => file.split('/').slice(0, -1).slice(0, 2).join('/')
    const isInFolder = (place: string) => place.includes('/')
    const inner = edges
      .map(({ from, to }) => ({ from: subfolderOf(from), to: subfolderOf(to) }))
      .filter(({ from, to }) => from !== to && isInFolder(from) && isInFolder(to))
    expect(inner.length).toBeGreaterThan(0)
    expect(circlesOf(new Set(files.map(subfolderOf)), inner)).toEqual([])
  })
})

function circlesOf(nodes: Iterable<string>, edges: readonly Edge[]): string[] {
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (node: string, path: readonly string[]): void => {
    const begin = path.indexOf(node)
    if (begin >= 0) circles.push([...path.slice(begin), node].join(' -> '))
    if (begin >= 0 || done.has(node)) return
    for (const { from, to } of edges) if (from === node) visit(to, [...path, node])
    done.add(node)
  }
  for (const node of nodes) visit(node, [])
  return circles
}

describe('the folders of src/', () => {
  test(`hold ${MOST_FILES} files at most, and src/ itself ${MOST_ROOT_FILES}`, () => {
    const counts = new Map<string, number>()
    for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
    const most = (folder: string) => (folder === ROOT ? MOST_ROOT_FILES : MOST_FILES)
    expect([...counts].filter(([folder, count]) => count > most(folder))).toEqual([])
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
