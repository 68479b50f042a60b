import { createHash } from 'node:crypto'
import { readSaved } from '../../../src/chat/saved/file.ts'
import { asFile, typedOnly } from '../target.ts'

/** Saved sessions, as far as they are read before it is known who has signed them; with the right checksum, too. */
export async function fuzz(data: Buffer): Promise<void> {
  await typedOnly(() => readSaved(asFile('session.json', data)))
  const sealed = withChecksum(data)
  if (sealed) await typedOnly(() => readSaved(asFile('session.json', sealed)))
}

function withChecksum(data: Buffer): Buffer | undefined {
  try {
    const saved = JSON.parse(data.toString().split('\n')[0] ?? '')
    const sha256 = createHash('sha256').update(JSON.stringify(saved.chat)).digest('hex')
    return Buffer.from(`${JSON.stringify({ ...saved, sha256 })}\n`)
  } catch {
    return undefined
  }
}

const CHAT = {
  model: 'tiny',
  modelHash: 'a',
  cacheHash: 'b',
  messages: [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello', reasoning: 'a greeting' },
  ],
  ownSystem: true,
  skipped: 0,
  lastAnswer: { raw: 'Hello', enableThinking: true },
  record: { rendered: 'Hi Hello', tokens: [1, 2, 3], cuts: [{ chars: 2, tokens: 1 }] },
  state: { bytes: 4, sha256: 'c', tokens: [1, 2], inSlices: 2 },
}

export const seeds = () =>
  [CHAT, { ...CHAT, state: undefined, lastAnswer: undefined }, {}].map((chat) => {
    const envelope = { format: 'gpt4all-ts session', version: 1, sha256: 'd', signature: 'e', chat }
    return Buffer.from(`${JSON.stringify(envelope)}\n1234`)
  })
