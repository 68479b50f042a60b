import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** The types of the contract whose fields a file of the addon reads, and those whose fields it writes. */
const READS: Record<string, string[]> = {
  'chat-template.cc': ['NativeRenderParams', 'NativeChatMessage'],
  'entries.cc': ['NativeEvalEntry', 'NativeRun'],
  'loader.cc': ['NativeModelParams'],
  'model.cc': ['NativeMarkedText'],
  'sampler.cc': ['NativeSamplerParams'],
  'shape.cc': ['NativeContextParams', 'NativeEmbedderParams'],
  'text-finder.cc': ['NativeMarks'],
}
const WRITES: Record<string, string[]> = {
  'addon.cc': ['NativeDevice'],
  'chat-template.cc': ['NativeRenderedChat', 'NativeReply'],
  'context.cc': ['NativeContextInfo', 'NativePositions'],
  'embedder.cc': ['NativeEmbedderInfo'],
  'entries.cc': ['NativeEvalResult', 'NativeLogprobs'],
  'loader.cc': ['NativeModelLoad'],
  'string-scan.cc': ['NativeScanResult'],
  'text-finder.cc': ['NativeMarks'],
  'vocabulary.cc': ['NativeModelInfo'],
  'worker.cc': ['NativeJob'],
}
/** These read and write objects of JavaScript's own: `process`, and the code of an error. */
const OTHERS = ['environment.cc', 'error.h']

const sources = new Map(
  readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => [name.split(sep).join('/'), readFileSync(join(root, 'native', name), 'utf8')]),
)
/** Chat templates have names and values of their own there. */
const isTemplateEngine = (file: string) => file.startsWith('jinja/')

const found = (text: string, pattern: RegExp) =>
  sorted(Array.from(text.matchAll(pattern), ([, name]) => name!))
const sorted = (names: Iterable<string>) => [...new Set(names)].sort()

/** `params.Get("name")`, and `count("name", ...)` where the file has a lambda `count` that takes the name of a field. */
function readFields(text: string): string[] {
  const helpers = found(text, /const auto (\w+) = \[[^\]]*\]\(const char\* name\b/g)
  const pattern = String.raw`(?:\.Get|\b(?:${helpers.join('|') || '(?!)'}))\("(\w+)"`
  return found(text, new RegExp(pattern, 'g'))
}

/** `object.Set("name", ...)`, but for what the module (`exports`) and its classes (`exported`) have. */
const writtenFields = (text: string) => found(text, /(?<!\bexports|\bexported)\.Set\("(\w+)"/g)

type Class = { readonly name: string; readonly members: string[]; readonly statics: string[] }

/** What a file defines with `DefineClass`. */
function classOf(text: string): Class | undefined {
  const name = /\bDefineClass\(env, "(\w+)"/.exec(text)?.[1]
  const member =
    /(?:(?:Instance|Static)(?:Method|Accessor|Value)(?:<[^>]*>)?|PropertyDescriptor::Value)\(\s*"(\w+)"/g
  const statics = found(text, /\bexported\.Set\("(\w+)"/g)
  return name === undefined ? undefined : { name, members: found(text, member), statics }
}

const contract = ts.createSourceFile(
  'contract.ts',
  readFileSync(join(root, 'src', 'native', 'contract.ts'), 'utf8'),
  ts.ScriptTarget.Latest,
)

type Declared = Map<string, ts.TypeNode | undefined>

const declaredMembers = (members: ts.NodeArray<ts.TypeElement>): Declared =>
  new Map(
    members.map((member) => [
      member.name!.getText(contract),
      ts.isPropertySignature(member) ? member.type : undefined,
    ]),
  )

/** The objects that the contract declares, each with its members, and the classes among them. */
const objects = new Map<string, Declared>()
const classes: string[] = []
let errorCodes: string[] = []
for (const statement of contract.statements) {
  if (ts.isInterfaceDeclaration(statement)) {
    classes.push(statement.name.text)
    objects.set(statement.name.text, declaredMembers(statement.members))
  } else if (ts.isTypeAliasDeclaration(statement) && ts.isTypeLiteralNode(statement.type)) {
    objects.set(statement.name.text, declaredMembers(statement.type.members))
  } else if (ts.isTypeAliasDeclaration(statement) && statement.name.text === 'NativeErrorCode') {
    errorCodes = found(statement.type.getText(contract), /'(\w+)'/g)
  }
}

const membersOf = (type: string) => [...(objects.get(type)?.keys() ?? [])]
/** What NativeBinding says of a class, where that is an object and no constructor. */
const staticsOf = (name: string) => {
  const type = objects.get('NativeBinding')?.get(name)
  return type && ts.isTypeLiteralNode(type) ? sorted(declaredMembers(type.members).keys()) : []
}

describe('the contract of the addon and its C++', () => {
  test('both have been found', () => {
    expect(sources.size).toBeGreaterThan(50)
    expect(objects.size).toBeGreaterThan(20)
  })

  test('agree on what the module exports', () => {
    expect(found(sources.get('addon.cc')!, /\bexports\.Set\("(\w+)"/g)).toEqual(
      sorted(membersOf('NativeBinding')),
    )
  })

  test('agree on the classes and their members', () => {
    const defined = [...sources.values()].flatMap((text) => classOf(text) ?? [])
    expect(sorted(defined.map(({ name }) => `Native${name}`))).toEqual(sorted(classes))
    for (const { name, members, statics } of defined) {
      expect([name, members]).toEqual([name, sorted(membersOf(`Native${name}`))])
      expect([name, statics]).toEqual([name, staticsOf(name)])
    }
  })

  test.each([
    ['read', READS, readFields],
    ['write', WRITES, writtenFields],
  ] as const)('agree on the fields that C++ files %s', (_, types, fieldsOf) => {
    for (const [file, text] of sources) {
      if (isTemplateEngine(file) || OTHERS.includes(file)) continue
      const declared = (types[file] ?? []).flatMap(membersOf)
      expect([file, fieldsOf(text)]).toEqual([file, sorted(declared)])
    }
  })

  test('agree on the object types', () => {
    const known = [...Object.values(READS), ...Object.values(WRITES)].flat()
    expect(sorted(known)).toEqual(
      sorted([...objects.keys()].filter((name) => name !== 'NativeBinding' && !classes.includes(name))),
    )
  })

  test('agree on the codes of errors', () => {
    const thrown = [...sources.values()].flatMap((text) => found(text, /"(ERR_[A-Z_]+)"/g))
    expect(sorted(thrown)).toEqual(errorCodes)
  })
})
