// `npm run docs:api` writes docs/api.md from the JSDoc of everything that src/index.ts and src/server/index.ts export.
// `npm run docs:api -- --check` ends with 1 where the page differs from the JSDoc.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Application, Comment, CommentTag, Converter } from 'typedoc'
import { MarkdownTheme, MarkdownThemeContext } from 'typedoc-plugin-markdown'
import { inRoot } from './paths.mjs'
import { main, Stop } from './steps.mjs'

const PAGE = inRoot('docs', 'api.md')
const ENTRIES = [inRoot('src', 'index.ts'), inRoot('src', 'server', 'index.ts')]

/** The sections of the page, and what each holds, in a reader's order. */
const SECTIONS = {
  Models:
    'GPT4All ModelOptions LoraAdapter KvType ModelConfig Activity TokenizeOptions FilePath checkModelOptions DEFAULTS VERSION',
  Generations: `Generation GenerationStream TokenIds GenerateOptions PromptProgress GenerationResult PartialResult FinishReason Usage Timings Part Channel
    TokenLogprob TokenProbability checkGenerateOptions`,
  Embeddings: `Embed4All EmbedderOptions EmbedOptions EmbedSyncOptions Embedding Embeddings EmbeddedText EmbedProgress
    Reranker RerankerOptions RankOptions RankedDocument`,
  'Chat sessions': `ChatSession ChatSessionOptions ChatGenerateOptions ChatMessage OverflowPolicy ReasoningPolicy
    TemplateOptions DEFAULT_PROMPT_TEMPLATE SaveOptions SavedSession`,
  'Model files': `ListModelsOptions CatalogEntry StoredCatalogEntry DownloadModelOptions Progress RetrieveModelOptions RetrievedModel
    VerifyModelOptions VerifiedModel LocalModelInfo LocalModelsOptions DescribeModelOptions ModelDescription EstimateMemoryOptions MemoryPlan
    defaultModelPath`,
  Devices: 'ListDevicesOptions Device DeviceFallback SystemInfo',
  'Isolated engines': 'IsolatedEngine IsolatedEngineOptions EngineHandle',
  Logging: 'Logger LogLevel PromptMessage printable printableLine',
  Errors: `ErrorCode isGPT4AllError GPT4AllError ModelError DownloadError OutOfMemoryError DeviceError
    ContextOverflowError CancellationError ClosedError QueueFullError TemplateError SessionFileError EngineCrashedError OptionError
    optionError`,
  'gpt4all-ts/server': 'createServer ModelServer ServerOptions SamplingDefaults ListenOptions',
}
const PLACES = Object.entries(SECTIONS).flatMap(([section, names]) =>
  names.split(/\s+/).map((name) => ({ name, section })),
)

const INTRODUCTION = `# API

Everything that \`gpt4all-ts\` and \`gpt4all-ts/server\` export. \`npm run docs:api\` writes this page from the comments in
\`src/\`.

${Object.keys(SECTIONS)
  .map((section) => `[${section}](#${section.toLowerCase().replaceAll(' ', '-').replaceAll('/', '')})`)
  .join(' ·\n')}
`

main(import.meta.url, async () => {
  const page = await apiPage()
  const before = existsSync(PAGE) ? readFileSync(PAGE, 'utf8').replaceAll('\r\n', '\n') : ''
  if (!process.argv.includes('--check')) writeFileSync(PAGE, page)
  else if (page !== before)
    throw new Stop('docs/api.md differs from the comments in src/: run `npm run docs:api`.')
})

async function apiPage() {
  mkdirSync(inRoot('.cache'), { recursive: true })
  const folder = mkdtempSync(inRoot('.cache', 'api-'))
  try {
    // One entry makes one page, with links within it.
    const entry = join(folder, 'all.ts')
    writeFileSync(entry, ENTRIES.map((path) => `export * from '${path.replaceAll('\\', '/')}'\n`).join(''))
    const app = await application(entry, join(folder, 'out'))
    const project = await app.convert()
    if (project === undefined) throw new Stop('TypeDoc cannot read src/.')
    app.validate(project)
    await app.generateOutputs(project)
    if (app.logger.hasErrors() || app.logger.hasWarnings())
      throw new Stop('TypeDoc has complained, see above.')
    return tidied(readFileSync(join(folder, 'out', 'api.md'), 'utf8'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function application(entry, out) {
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: [entry],
    out,
    name: 'API',
    tsconfig: inRoot('tsconfig.json'),
    skipErrorChecking: true, // `npm run typecheck` does that
    validation: { notExported: false, invalidLink: true, rewrittenLink: true, notDocumented: false },
    readme: 'none',
    entryFileName: 'api',
    outputFileStrategy: 'modules',
    // Nothing on the page depends on the machine, the day, or lines that move.
    disableSources: true,
    disableGit: true,
    hideGenerator: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    categorizeByGroup: false,
    categoryOrder: Object.keys(SECTIONS),
    sort: ['source-order'],
    parametersFormat: 'table',
    propertiesFormat: 'table',
    classPropertiesFormat: 'table',
    interfacePropertiesFormat: 'table',
    typeAliasPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    tableColumnSettings: {
      hideModifiers: true,
      hideDefaults: true,
      hideInherited: true,
      hideOverrides: true,
    },
    hidePageHeader: true,
    hideBreadcrumbs: true,
    logLevel: 'Warn',
  })
  // Only what the entry leads to, not all of the tests.
  app.options.setCompilerOptions([entry], app.options.getCompilerOptions(app.logger), [])
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => project.children.forEach(place))
  const position = ({ name }) => PLACES.findIndex((one) => one.name === name)
  const sort = ({ project }) => {
    for (const { children } of project.categories) children.sort((a, b) => position(a) - position(b))
  }
  app.converter.on(Converter.EVENT_RESOLVE_END, sort, -1000) // when the categories are there
  app.renderer.defineTheme('brief', BriefTheme)
  app.options.setValue('theme', 'brief')
  return app
}

function place(declaration) {
  const section = PLACES.find(({ name }) => name === declaration.name)?.section
  if (section === undefined)
    throw new Stop(`docs/api.md has no place for ${declaration.name}: give it one in scripts/api-docs.mjs.`)
  for (const one of declaration.signatures ?? [declaration]) {
    one.comment ??= new Comment()
    one.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: section }]))
  }
}

/** Types are said once, where a member is declared; what it throws is a line. */
class BriefContext extends MarkdownThemeContext {
  constructor(...args) {
    super(...args)
    const { comment, signatureTitle } = this.partials
    this.partials.comment = (model, options) =>
      comment(model, options).replaceAll(/#+ Throws\n\n?/g, '**Throws** ')
    this.partials.signatureReturns = () => ''
    this.partials.accessor = ({ getSignature, setSignature }) =>
      [
        getSignature && signatureTitle(getSignature, { accessor: 'get' }),
        getSignature?.comment && this.partials.comment(getSignature.comment),
        setSignature && signatureTitle(setSignature, { accessor: 'set' }),
        setSignature?.comment && this.partials.comment(setSignature.comment),
      ]
        .filter(Boolean)
        .join('\n\n')
  }
}

class BriefTheme extends MarkdownTheme {
  getRenderContext(page) {
    return new BriefContext(this, page, this.application.options)
  }
}

/** Without headings that say what the table below them says, and without defaults that say nothing. */
function tidied(page) {
  const brief = page
    .replace(/^# API\n/, INTRODUCTION)
    .replaceAll(/^#+ (Parameters|Properties|Type Declaration|Type Parameters)\n\n/gm, '')
    .replaceAll(/^#+ Implements\n/gm, 'Implements:\n')
    .replaceAll(/^#+ Implementation of\n\n.*\n\n/gm, '')
    .replaceAll(/\| Type Parameter \|\n(\|.*\n)+\n/g, '')
    .replaceAll(' **Default** `undefined`', '')
    .replaceAll(/\n{3,}/g, '\n\n')
  return linked(brief)
}

/** With links that lead to the headings as GitHub numbers them; TypeDoc counts those that are gone. */
function linked(page) {
  const slugs = new Map()
  const counts = new Map()
  for (const [, level, title] of page.matchAll(/^(#+) (.+)$/gm)) {
    const slug = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(slug) ?? 0
    counts.set(slug, count + 1)
    const name = title.replaceAll(/\\|\(\)/g, '')
    if (level === '###') slugs.set(name, count === 0 ? slug : `${slug}-${count}`)
  }
  return page.replaceAll(/\[(`?)(\w+)\1\]\(#[\w-]+\)/g, (link, tick, name) =>
    slugs.has(name) ? `[${tick}${name}${tick}](#${slugs.get(name)})` : link,
  )
}
