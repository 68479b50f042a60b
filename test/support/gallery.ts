import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { HostileServer, md5 } from './hostile-server.ts'
import { EMBEDDED } from './models.ts'
import { tinyEncoder } from './tiny-encoders.ts'

const root = join(import.meta.dirname, '..', '..')

/** The format of the embedded model, written as GPT4All's catalog writes it. */
export const CHATML = '<|im_start|>user\n%1<|im_end|>\n<|im_start|>assistant\n%2<|im_end|>\n'

export const CHAT_MODELS = [
  'orca-mini-3b-gguf2-q4_0.gguf',
  'mistral-7b-openorca.gguf2.Q4_0.gguf',
  'Nous-Hermes-2-Mistral-7B-DPO.Q4_0.gguf',
  'gpt4all-falcon-newbpe-q4_0.gguf',
] as const
export const CHAT_MODEL = CHAT_MODELS[0]
/** The catalog lists it without templates. */
export const BARE_MODEL = 'orca-2-7b.Q4_0.gguf'
/** The catalog does not list it. */
export const UNLISTED_MODEL = 'of-my-own.gguf'
export const EMBEDDING_MODEL = 'nomic-embed-text-v1.5.f16.gguf'
/** As its documentation calls it; no file of this name can be opened any more, so here it is one that can. */
export const OLD_EMBEDDING_MODEL = 'all-MiniLM-L6-v2-f16.gguf'
/** Numbers in a vector of the small models that stand for them. */
export const DIMENSIONS = 32

/** What the catalog says of a model: numbers are texts there. */
export type Entry = Readonly<Record<string, unknown>> & { readonly filename: string }

/** A home folder in which programs written for GPT4All find its models: small ones by the same names. */
export type Gallery = {
  readonly home: string
  /** `~/.cache/gpt4all` of that home. */
  readonly models: string
  readonly entries: readonly Entry[]
  /** The catalog as a file. */
  readonly catalog: string
  /** What a program's environment has besides. */
  readonly env: { readonly HOME: string; readonly USERPROFILE: string; readonly GPT4ALL_MODELS_URL: string }
  /** Serves the catalog. */
  readonly server: HostileServer
  /** Runs a program whose `gpt4all-ts` is this package; rejects if it fails. */
  run(code: string, options?: RunOptions): Promise<{ readonly stdout: string; readonly stderr: string }>
  close(): Promise<void>
}

export type RunOptions = {
  readonly extension?: 'mjs' | 'cjs'
  /** Ends it. */
  readonly signal?: AbortSignal
  /** A module to load before it. */
  readonly preload?: string
}

export async function makeGallery(): Promise<Gallery> {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const home = mkdtempSync(join(root, '.cache', 'gallery-')) // below package.json, which is "gpt4all-ts"
  const models = join(home, '.cache', 'gpt4all')
  mkdirSync(models, { recursive: true })
  const chat = readFileSync(EMBEDDED)
  for (const name of [...CHAT_MODELS, BARE_MODEL, UNLISTED_MODEL]) copyFileSync(EMBEDDED, join(models, name))
  const embedders = new Map([
    [EMBEDDING_MODEL, tinyEncoder('nomic-bert', 'nomic-embed-text-v1.5')],
    [OLD_EMBEDDING_MODEL, tinyEncoder('bert', 'all-MiniLM-L6-v2')],
  ])
  for (const [name, bytes] of embedders) writeFileSync(join(models, name), bytes)

  const entryOf = (filename: string, bytes: Buffer, more: object): Entry => ({
    order: 'a',
    md5sum: md5(bytes),
    name: filename,
    filename,
    filesize: String(bytes.length),
    requires: '2.5.0',
    systemPrompt: ' ',
    ...more,
  })
  const entries = [
    ...CHAT_MODELS.map((name) => entryOf(name, chat, { promptTemplate: CHATML })),
    entryOf(BARE_MODEL, chat, { systemPrompt: '' }),
    ...Array.from(embedders, ([name, bytes]) => entryOf(name, bytes, { embeddingModel: true })),
  ]
  const catalog = join(home, 'models3.json')
  writeFileSync(catalog, JSON.stringify(entries))
  const server = await HostileServer.start()
  const url = server.host('models3.json', { bytes: readFileSync(catalog), faults: [] })
  const env = { HOME: home, USERPROFILE: home, GPT4ALL_MODELS_URL: url }

  let count = 0
  return {
    home,
    models,
    entries,
    catalog,
    env,
    server,
    run(code, { extension = 'mjs', signal, preload } = {}) {
      const file = join(home, `program-${count++}.${extension}`)
      writeFileSync(file, code)
      const args = [...(preload ? ['--import', preload] : []), file]
      const options = { cwd: home, env: { ...process.env, ...env }, maxBuffer: 2 ** 26, signal }
      return promisify(execFile)(process.execPath, args, options)
    },
    async close() {
      await server.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
