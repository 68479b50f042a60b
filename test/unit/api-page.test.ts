import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const entries = ['src/index.ts', 'src/server/index.ts'].map((path) => join(root, path))

/** What each name's part of the page holds, by name. */
const parts = new Map(
  readFileSync(join(root, 'docs', 'api.md'), 'utf8')
    .split(/^### /m)
    .map((part) => [(/^[\w\\]+/.exec(part)?.[0] ?? '').replaceAll('\\', ''), part]),
)

const program = ts.createProgram(entries, {
  ...ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  ).options,
  noEmit: true,
})
const checker = program.getTypeChecker()

/** Written in this repository, for users. */
function isOurs(symbol: ts.Symbol): boolean {
  const tags = symbol.getJsDocTags(checker).map(({ name }) => name)
  const files = (symbol.declarations ?? []).map((declaration) => declaration.getSourceFile().fileName)
  return (
    !tags.includes('internal') &&
    files.some((file) => file.startsWith(join(root, 'src').replaceAll('\\', '/')))
  )
}

function isHidden(symbol: ts.Symbol): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  return (symbol.declarations ?? []).some((declaration) => {
    const name = ts.getNameOfDeclaration(declaration)
    return (
      (ts.getCombinedModifierFlags(declaration) & hidden) !== 0 ||
      (name !== undefined && ts.isPrivateIdentifier(name))
    )
  })
}

/** Members of a class, its static ones too, or of a type of an object; symbols and what Node.js looks for are not names. */
function membersOf(symbol: ts.Symbol): string[] {
  const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0
  const isType = (symbol.flags & (ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Interface)) !== 0
  if (!isClass && !isType) return []
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const isObject = (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) !== 0
  if (!isObject || type.getCallSignatures().length > 0) return []
  const statics = isClass ? [...(symbol.exports?.values() ?? [])] : []
  return [...type.getProperties(), ...statics]
    .filter((member) => isOurs(member) && !isHidden(member))
    .map((member) => member.name)
    .filter((name) => /^[a-z]\w*$/i.test(name))
}

/** A heading, or the first cell of a row. */
const lineOf = (member: string) =>
  new RegExp(`^(#+ ${member}(\\(\\))?\\??$|\\| (<a [^>]*></a> )?\`${member}(\\(\\))?\\??\` \\|)`, 'm')

const names = entries.flatMap((entry) => {
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)
  return checker.getExportsOfModule(module!).map((symbol) => {
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0
    const real = isAlias ? checker.getAliasedSymbol(symbol) : symbol
    return { name: symbol.name, members: membersOf(real) }
  })
})

describe('docs/api.md', () => {
  test('has a part for every name that the library and the server export', () => {
    expect(names.length).toBeGreaterThan(70)
    expect(names.map(({ name }) => name).filter((name) => !parts.has(name))).toEqual([])
  })

  test('has a line for every member of their classes, options and results', () => {
    const count = names.reduce((sum, { members }) => sum + members.length, 0)
    expect(count).toBeGreaterThan(250)
    const missing = names.flatMap(({ name, members }) => {
      const part = parts.get(name) ?? ''
      return members.filter((member) => !lineOf(member).test(part)).map((member) => `${name}.${member}`)
    })
    expect(missing).toEqual([])
  })
})
