// llama.cpp's own llama-embedding: see serve.mjs. It is started for each call, so what it takes to open the model does
// not count. It knows nothing of texts that are longer than a batch.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { serve } from './serve.mjs'

const LEAST = 16 // tokens of a text, of which so many fit into a batch

await serve(async ({ program, gguf, threads, batch, flash }) => {
  const flags = [
    ...['-m', gguf, '-t', threads, '-tb', threads, '-fa', flash ? 'on' : 'off', '-fit', 'off'],
    ...['-c', batch, '-b', batch, '-np', batch / LEAST, '--pooling', 'mean', '--device', 'none'],
    ...['--embd-output-format', 'raw'],
  ].map(String)
  const model = { version: 'of this tree', embed, loadingMs: 0 }

  async function embed(texts) {
    const folder = mkdtempSync(join(tmpdir(), 'llama-embedding-'))
    try {
      const file = join(folder, 'texts')
      writeFileSync(file, texts.join('\n'))
      const started = performance.now()
      const child = spawn(program, [...flags, '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
      // It tells of the system when the model is open.
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (line.includes('system_info')) model.loadingMs = performance.now() - started
      })
      const vectors = []
      createInterface({ input: child.stdout }).on('line', (line) => {
        const numbers = line.trim().split(' ').map(Number)
        if (numbers.length > 1) vectors.push(Float32Array.from(numbers))
      })
      await once(child, 'close')
      if (vectors.length !== texts.length)
        throw new Error(`${vectors.length} vectors for ${texts.length} texts`)
      return vectors
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  return model
})
