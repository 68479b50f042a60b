import { basename } from 'node:path'

/** Models of GPT4All's lists before GGUF (`models.json` and older), and the same as GGUF in today's list. */
const SAME_MODEL: Readonly<Record<string, string>> = {
  'orca-mini-3b.ggmlv3.q4_0.bin': 'orca-mini-3b-gguf2-q4_0.gguf',
  'GPT4All-13B-snoozy.ggmlv3.q4_0.bin': 'gpt4all-13b-snoozy-q4_0.gguf',
  'ggml-gpt4all-l13b-snoozy.bin': 'gpt4all-13b-snoozy-q4_0.gguf',
  'ggml-model-gpt4all-falcon-q4_0.bin': 'gpt4all-falcon-newbpe-q4_0.gguf',
  'ggml-mpt-7b-chat.bin': 'mpt-7b-chat.gguf4.Q4_0.gguf',
  'ggml-all-MiniLM-L6-v2-f16.bin': 'all-MiniLM-L6-v2.gguf2.f16.gguf',
}

/** GGUF files that no program opens any more, and the same models in today's list. */
const SAME_MODEL_AGAIN: Readonly<Record<string, string>> = {
  'all-MiniLM-L6-v2-f16.gguf': 'all-MiniLM-L6-v2.gguf2.f16.gguf',
}

/** Models that are not in today's list, and their successors there. */
const NEXT_MODEL: Readonly<Record<string, string>> = {
  'orca-mini-7b.ggmlv3.q4_0.bin': 'orca-2-7b.Q4_0.gguf',
  'orca-mini-13b.ggmlv3.q4_0.bin': 'orca-2-13b.Q4_0.gguf',
  'nous-hermes-13b.ggmlv3.q4_0.bin': 'nous-hermes-llama2-13b.Q4_0.gguf',
  'wizardlm-13b-v1.1-superhot-8k.ggmlv3.q4_0.bin': 'wizardlm-13b-v1.2.Q4_0.gguf',
  'ggml-replit-code-v1-3b.bin': 'replit-code-v1_5-3b-newbpe-q4_0.gguf',
  'starcoderbase-3b-ggml.bin': 'starcoder-newbpe-q4_0.gguf',
  'starcoderbase-7b-ggml.bin': 'starcoder-newbpe-q4_0.gguf',
  'llama-2-7b-chat.ggmlv3.q4_0.bin': 'Meta-Llama-3-8B-Instruct.Q4_0.gguf',
}

/** What is published in place of an old model. */
export type Successor = {
  readonly filename: string
  /** Whether it has the same weights, so that what is said of one is true of the other. */
  readonly isSame: boolean
  /** Nothing opens the old file any more, so it is not downloaded from a list that still has it. */
  readonly isOnly: boolean
}

const BY_NAME = new Map(
  [SAME_MODEL, SAME_MODEL_AGAIN, NEXT_MODEL].flatMap((names) =>
    Object.entries(names).map(([old, filename]): [string, Successor] => [
      old.toLowerCase(),
      {
        filename,
        isSame: names !== NEXT_MODEL,
        isOnly: names === SAME_MODEL_AGAIN,
      },
    ]),
  ),
)

/** What GPT4All publishes in place of the old file that `name`, a name or a path, refers to. */
export function successorOf(name: string): Successor | undefined {
  const plain = basename(name).toLowerCase()
  return BY_NAME.get(plain) ?? BY_NAME.get(`${plain.replace(/\.gguf$/, '')}.bin`)
}
