// Answers questions about a folder of Markdown files, all on this machine:
//   npm install gpt4all-ts libsql sqlite-vec
//   node examples/ask-documents.mjs [folder] [question] [--chat model.gguf] [--database file.db]
// Without a question it asks for them in turn. A database file keeps the vectors until a section changes.
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Embed4All, GPT4All } from 'gpt4all-ts'
import Database from 'libsql'
import * as sqliteVec from 'sqlite-vec'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    chat: { type: 'string', default: 'models/gpt4all-ts-tiny-chat.Q8_0.gguf' },
    database: { type: 'string', default: ':memory:' },
  },
})
const [folder = 'models', asked] = positionals
const SOURCES = 3 // sections that the chat model reads
const LONGEST = 1200 // characters of a section: some 300 tokens

const embedder = await Embed4All.load()
const database = openDatabase()
await readFolder()

const chatModel = await GPT4All.load(values.chat)
if (asked !== undefined) await answer(asked)
else {
  console.log('Ask about the documents (Ctrl-D ends):')
  for await (const question of createInterface({ input: process.stdin }))
    if (question.trim() !== '') await answer(question)
}
await chatModel.close()
await embedder.close()
database.close()

function openDatabase() {
  const opened = new Database(values.database)
  sqliteVec.load(opened)
  opened.exec(`CREATE VIRTUAL TABLE IF NOT EXISTS sections USING vec0(
    hash TEXT PRIMARY KEY,
    embedding FLOAT[${embedder.dimensionality}] DISTANCE_METRIC=cosine,
    +source TEXT,
    +text TEXT
  )`)
  return opened
}

/** Brings the database up to date: embeds what is new, removes what is gone. */
async function readFolder() {
  const known = new Set(
    database
      .prepare('SELECT hash FROM sections')
      .all()
      .map(({ hash }) => hash),
  )
  const fresh = []
  for (const section of await sectionsIn(folder)) if (!known.delete(section.hash)) fresh.push(section)
  const remove = database.prepare('DELETE FROM sections WHERE hash = ?')
  for (const hash of known) remove.run(hash)
  console.log(`${fresh.length} new sections, ${known.size} removed.\n`)
  const insert = database.prepare('INSERT INTO sections (hash, embedding, source, text) VALUES (?, ?, ?, ?)')
  for await (const { index, embedding } of embedder.embedAll(fresh.map(({ text }) => text))) {
    const { hash, source, text } = fresh[index]
    insert.run(hash, blobOf(embedding), source, text)
  }
}

/** Each heading of a file begins a section; a long one is split between paragraphs. */
async function sectionsIn(path) {
  const sections = new Map() // by hash: equal ones are stored once
  for (const name of (await readdir(path, { recursive: true })).sort()) {
    if (!name.endsWith('.md')) continue
    const file = await readFile(join(path, name), 'utf8')
    for (const section of file.split(/^(?=#{1,6} )/m)) {
      const title = /^#+ (.*)/.exec(section)?.[1] ?? ''
      const source = title === '' ? name : `${name}, ${title}`
      for (const part of partsOf(section)) {
        const text = part.startsWith('#') ? part : `${title}\n\n${part}`
        const hash = createHash('sha256').update(`${source}\n${text}`).digest('hex')
        sections.set(hash, { hash, source, text })
      }
    }
  }
  return [...sections.values()]
}

function partsOf(section) {
  const parts = []
  for (const paragraph of section.trim().split(/\n{2,}/)) {
    const joined = parts.length > 0 ? `${parts.at(-1)}\n\n${paragraph}` : paragraph
    if (parts.length > 0 && joined.length <= LONGEST) parts[parts.length - 1] = joined
    else if (paragraph !== '') parts.push(paragraph)
  }
  return parts
}

/** The sections whose meaning is nearest to the question. */
async function search(question) {
  const { embedding } = await embedder.embed(question)
  return database
    .prepare(
      'SELECT source, text, distance FROM sections WHERE embedding MATCH ? AND k = ? ORDER BY distance',
    )
    .all(blobOf(embedding), SOURCES)
}

async function answer(question) {
  const found = await search(question)
  if (found.length === 0) return console.log('There are no documents.\n')
  const excerpts = found.map(({ source, text }, i) => `[${i + 1}] ${source}\n${text.slice(0, LONGEST)}`)
  const chat = chatModel.chatSession({
    systemPrompt:
      'Answer the question briefly, from the excerpts alone. If they do not hold the answer, say so.',
  })
  const prompt = `Excerpts:\n\n${excerpts.join('\n\n')}\n\nQuestion: ${question}`
  for await (const piece of chat.generate(prompt, { temp: 0, maxTokens: 200 })) process.stdout.write(piece)
  await chat.close()
  console.log('\n\nSources:')
  for (const { source, distance } of found) console.log(`- ${source} (cosine ${(1 - distance).toFixed(2)})`)
  console.log()
}

/** A vector as SQLite stores it. */
function blobOf({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength)
}
