import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, extname, join } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// Programs typed against the declarations of gpt4all 4.0.0 are compiled against those, and against gpt4all-ts/compat.

const root = join(import.meta.dirname, '..', '..')
const OLD = 'gpt4all'
const OURS = 'gpt4all-ts/compat'
const programs = join(import.meta.dirname, 'programs')
const { Bundler, Node10, Node16 } = ts.ModuleResolutionKind

type Mode = {
  readonly extension: 'ts' | 'mts' | 'cts'
  readonly module: ts.ModuleKind
  readonly moduleResolution: ts.ModuleResolutionKind
  /** Programs that await at the top are modules; those with `import = require()` are none. */
  readonly files: readonly string[]
}
const MODES: Record<string, Mode> = {
  'Node.js modules': {
    extension: 'mts',
    module: ts.ModuleKind.Node16,
    moduleResolution: Node16,
    files: ['functions', 'default-import'],
  },
  'CommonJS in Node.js': {
    extension: 'cts',
    module: ts.ModuleKind.Node16,
    moduleResolution: Node16,
    files: ['functions', 'require'],
  },
  bundlers: {
    extension: 'ts',
    module: ts.ModuleKind.ESNext,
    moduleResolution: Bundler,
    files: ['functions', 'default-import'],
  },
  'CommonJS before package exports': {
    extension: 'ts',
    module: ts.ModuleKind.CommonJS,
    moduleResolution: Node10,
    files: ['functions', 'require'],
  },
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpt4all-types-'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, OLD, 'src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "name": "app" }')
  writeFileSync(join(modules, OLD, 'package.json'), '{ "name": "gpt4all", "main": "src/gpt4all.js" }')
  writeFileSync(join(modules, OLD, 'src', 'gpt4all.js'), '')
  const declarations = join(root, 'test', 'compat', 'old', 'gpt4all.d.ts')
  copyFileSync(declarations, join(modules, OLD, 'src', 'gpt4all.d.ts'))
  symlinkSync(root, join(modules, 'gpt4all-ts'), 'junction')
  symlinkSync(join(root, 'node_modules', '@types'), join(modules, '@types'), 'junction')
})
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
/** What the compiler says of a program whose package is `name`. */
function diagnose(source: string, name: string, extension: string, options: ts.CompilerOptions): string[] {
  const file = join(folder, `program-${count++}.${extension}`)
  writeFileSync(file, source.replaceAll(/(['"])gpt4all(-ts\/compat)?\1/g, `'${name}'`))
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022,
    types: ['node'],
    strict: true,
    esModuleInterop: true,
    skipLibCheck: true,
    noEmit: true,
    preserveSymlinks: true,
    ...options,
  })
  return ts.getPreEmitDiagnostics(program).map(({ file, start, code, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0
    return `line ${line}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}

describe.each(Object.entries(MODES))('a program for %s', (_, { extension, files, ...options }) => {
  test.each(files)('%s.ts compiles against gpt4all and against ours', (name) => {
    const source = readFileSync(join(programs, `${name}.ts`), 'utf8')
    expect(diagnose(source, OLD, extension, options)).toEqual([])
    expect(diagnose(source, OURS, extension, options)).toEqual([])
  })
})

test.each([
  ['all checks', { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false }],
  ['the libraries of ES2018', { target: ts.ScriptTarget.ES2018 }],
])('a program compiles against ours with %s', (_, more) => {
  const {
    extension,
    files: [name],
    ...options
  } = MODES['CommonJS in Node.js']!
  const source = readFileSync(join(programs, `${name}.ts`), 'utf8')
  expect(diagnose(source, OURS, extension, { ...options, ...more })).toEqual([])
})

test.each([OLD, OURS])('a wrong program does not compile against %s', (name) => {
  const source =
    "import { DEFAULT_DIRECTORY } from 'gpt4all'\nexport const wrong: number = DEFAULT_DIRECTORY\n"
  const { extension, files: _, ...options } = MODES['Node.js modules']!
  expect(diagnose(source, name, extension, options)).toEqual([expect.stringContaining('line 2: TS2322')])
})

describe('a program of the spec folder, checked as JavaScript,', () => {
  const spec = join(root, 'test', 'compat', 'programs')
  const options = { allowJs: true, checkJs: true, module: ts.ModuleKind.Node16, moduleResolution: Node16 }
  const errorsOf = (source: string, name: string) =>
    diagnose(source, name, 'mjs', options).map((one) => one.slice(0, one.indexOf(' ', one.indexOf('TS'))))

  test.each(readdirSync(spec).map((file) => basename(file, extname(file))))(
    '%s has no errors that it did not have',
    (name) => {
      const source = readFileSync(join(spec, `${name}.mjs`), 'utf8')
      const before = errorsOf(source, OLD)
      expect(errorsOf(source, OURS).filter((error) => !before.includes(error))).toEqual([])
    },
  )
})
