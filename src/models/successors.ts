import { basename } from 'node:path'

/**
 * Models of GPT4All's lists before GGUF (`models.json` and older), and what its list of today has in their place: the
 * same model as GGUF where there is one, else the next of its line and size.
 */
const SUCCESSORS: Readonly<Record<string, string>> = {
  'orca-mini-3b.ggmlv3.q4_0.bin': 'orca-mini-3b-gguf2-q4_0.gguf',
  'orca-mini-7b.ggmlv3.q4_0.bin': 'orca-2-7b.Q4_0.gguf',
  'orca-mini-13b.ggmlv3.q4_0.bin': 'orca-2-13b.Q4_0.gguf',
  'GPT4All-13B-snoozy.ggmlv3.q4_0.bin': 'gpt4all-13b-snoozy-q4_0.gguf',
  'ggml-gpt4all-l13b-snoozy.bin': 'gpt4all-13b-snoozy-q4_0.gguf',
  'ggml-model-gpt4all-falcon-q4_0.bin': 'gpt4all-falcon-newbpe-q4_0.gguf',
  'nous-hermes-13b.ggmlv3.q4_0.bin': 'nous-hermes-llama2-13b.Q4_0.gguf',
  'ggml-nous-hermes-13b.ggmlv3.q4_0.bin': 'nous-hermes-llama2-13b.Q4_0.gguf',
  'wizardlm-13b-v1.1-superhot-8k.ggmlv3.q4_0.bin': 'wizardlm-13b-v1.2.Q4_0.gguf',
  'ggml-mpt-7b-chat.bin': 'mpt-7b-chat.gguf4.Q4_0.gguf',
  'ggml-replit-code-v1-3b.bin': 'replit-code-v1_5-3b-newbpe-q4_0.gguf',
  'starcoderbase-3b-ggml.bin': 'starcoder-newbpe-q4_0.gguf',
  'starcoderbase-7b-ggml.bin': 'starcoder-newbpe-q4_0.gguf',
  'ggml-all-MiniLM-L6-v2-f16.bin': 'all-MiniLM-L6-v2.gguf2.f16.gguf',
  'llama-2-7b-chat.ggmlv3.q4_0.bin': 'Meta-Llama-3-8B-Instruct.Q4_0.gguf',
}

const BY_NAME = new Map(Object.entries(SUCCESSORS).map(([old, now]) => [old.toLowerCase(), now]))

/** The GGUF file that GPT4All publishes in place of the old one that `name` (or a path to it) means. */
export function successorOf(name: string): string | undefined {
  const plain = basename(name).toLowerCase()
  return BY_NAME.get(plain) ?? BY_NAME.get(`${plain.replace(/\.gguf$/, '')}.bin`)
}
