/**
 * Defaults of options, except `false` of switches and those that depend on the machine, the model or
 * another option. Source: the GPT4All Python package 2.8.2, for the options it has; its `nBatch` is 8.
 */
export const DEFAULTS = {
  nCtx: 2048,
  ngl: 100,
  kvType: 'f16',
  flashAttention: 'auto',
  maxQueue: Number.POSITIVE_INFINITY,
  cacheMemory: 256 * 2 ** 20,
  tryFirst: true,
  allowDownload: true,
  maxTokens: 200,
  temp: 0.7,
  topK: 40,
  topP: 0.4,
  minP: 0,
  repeatPenalty: 1.18,
  repeatLastN: 64,
  penalizePrompt: false,
  presencePenalty: 0,
  frequencyPenalty: 0,
  nBatch: 512,
  promptLookup: false,
  draft: true,
  streamInterval: 8,
  isolatedStreamInterval: 32,
  overflow: 'drop-oldest',
  enableThinking: true,
  maxRestarts: 5,
  restartWindow: 60_000,
} as const
