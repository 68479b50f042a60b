// The prompts and flags of the comparison of greedy texts with llama-completion.

export const TOKENS = 64
export const CONTEXT = 2048
const BATCH = 512

/** Base text, facts, a chat, code and a list: SmolLM2-135M-Instruct has 64 tokens of answer to each. */
export const PROMPTS = [
  'Once upon a time, in a small village by the sea,',
  'The three most important inventions of the nineteenth century are',
  '<|im_start|>user\nExplain photosynthesis to a child.<|im_end|>\n<|im_start|>assistant\n',
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
  'Ingredients for a simple vegetable soup:\n- 2 carrots\n- 1 onion\n-',
]

/** llama-completion's command line, but for model and prompt: what our `generate()` does with its defaults. */
export const flagsFor = (threads) => [
  ...['--temp', '0', '--repeat-penalty', '1', '-n', String(TOKENS), '-no-cnv', '--no-display-prompt'],
  ...['-t', String(threads), '-c', String(CONTEXT), '-b', String(BATCH), '-ub', String(BATCH), '-fa', 'auto'],
]

/** Where two texts part: `{ at, ours, theirs }` with a few characters of each; undefined where they are equal. */
export function difference(ours, theirs) {
  if (ours === theirs) return undefined
  let at = 0
  while (at < ours.length && ours[at] === theirs[at]) at++
  return { at, ours: ours.slice(at, at + 40), theirs: theirs.slice(at, at + 40) }
}
