// Uses every function, constant and class of gpt4all 4.0.0 with its types, as its declarations allow.
import {
  type ChatMessage,
  ChatSession,
  type CompletionInput,
  type CompletionOptions,
  type CompletionProvider,
  type CompletionResult,
  createCompletion,
  createCompletionGenerator,
  createCompletionStream,
  createEmbedding,
  DEFAULT_DIRECTORY,
  DEFAULT_LIBRARIES_DIRECTORY,
  DEFAULT_MODEL_CONFIG,
  DEFAULT_MODEL_LIST_URL,
  DEFAULT_PROMPT_CONTEXT,
  type DownloadController,
  type DownloadModelOptions,
  downloadModel,
  EmbeddingModel,
  type EmbeddingResult,
  type GpuDevice,
  InferenceModel,
  type InferenceResult,
  LLModel,
  type LLModelPromptContext,
  type LoadModelOptions,
  listModels,
  loadModel,
  type ModelConfig,
  type RetrieveModelOptions,
  retrieveModel,
} from 'gpt4all'

const directories: string[] = [DEFAULT_DIRECTORY, DEFAULT_LIBRARIES_DIRECTORY, DEFAULT_MODEL_LIST_URL]
const template: string = DEFAULT_MODEL_CONFIG.promptTemplate
const defaults: LLModelPromptContext = DEFAULT_PROMPT_CONTEXT
const everyNumber: number[] = [
  defaults.logitsSize,
  defaults.tokensSize,
  defaults.nPast,
  defaults.nPredict,
  defaults.nCtx,
  defaults.topK,
  defaults.topP,
  defaults.minP,
  defaults.temp,
  defaults.temperature,
  defaults.nBatch,
  defaults.repeatPenalty,
  defaults.repeatLastN,
  defaults.contextErase,
]
const maybeTemplate: string | undefined = defaults.promptTemplate

export async function files(): Promise<ModelConfig[]> {
  const listed: ModelConfig[] = await listModels()
  await listModels({ url: DEFAULT_MODEL_LIST_URL })
  await listModels({ file: './models3.json' })
  const retrieving: RetrieveModelOptions = {
    allowDownload: false,
    verbose: true,
    modelPath: '.',
    modelConfigFile: './models3.json',
  }
  const retrieved: ModelConfig = await retrieveModel('a', retrieving)
  const downloading: DownloadModelOptions = { modelPath: '.', verbose: true, url: 'http://a', md5sum: 'b' }
  const controller: DownloadController = downloadModel('a', downloading)
  controller.cancel()
  downloadModel('a').promise.then(() => console.log('Downloaded!'))
  const config: ModelConfig = await controller.promise
  const url: string | undefined = config.url
  const texts: string[] = [config.systemPrompt, config.promptTemplate, config.path, url ?? '']
  console.log(texts, directories, template, everyNumber, maybeTemplate)
  return [...listed, retrieved, { systemPrompt: '', promptTemplate: '%1', path: '/a' }]
}

export async function loading(isEmbedding: boolean): Promise<void> {
  const options: LoadModelOptions = {
    modelPath: '.',
    librariesPath: '.',
    modelConfigFile: './models3.json',
    allowDownload: true,
    verbose: false,
    device: 'gpu',
    nCtx: 4096,
    ngl: 100,
  }
  const plain: InferenceModel = await loadModel('a')
  const withOptions: InferenceModel = await loadModel('a', options)
  const named: InferenceModel = await loadModel('a', { ...options, type: 'inference' })
  const embedder: EmbeddingModel = await loadModel('a', { ...options, type: 'embedding' })
  const either: InferenceModel | EmbeddingModel = isEmbedding ? embedder : named
  if (either instanceof InferenceModel) either.dispose()
  else either.dispose()
  const again: InferenceModel = new InferenceModel(plain.llm, plain.config)
  new EmbeddingModel(embedder.llm, embedder.config).dispose()
  withOptions.config.promptTemplate = '%1'
  withOptions.config.systemPrompt = ''
  await completions(again)
  embeddings(embedder)
  native(plain.llm)
}

async function completions(model: InferenceModel): Promise<void> {
  const name: string = model.modelName
  const messages: ChatMessage[] = [
    { role: 'system', content: 'a' },
    { role: 'user', content: 'b' },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: 'd' },
  ]
  const input: CompletionInput = messages
  const options: CompletionOptions = {
    verbose: true,
    logitsSize: 0,
    tokensSize: 0,
    nPast: 0,
    nPredict: 10,
    promptTemplate: '%1',
    nCtx: 0,
    topK: 40,
    topP: 0.9,
    minP: 0,
    temp: 0.1,
    temperature: 0.1,
    nBatch: 8,
    repeatPenalty: 1.18,
    repeatLastN: 10,
    contextErase: 0.75,
    onPromptToken: (tokenId: number) => tokenId > 0,
    onResponseToken: (_tokenId: number, token: string) => {
      console.log(token)
    },
  }
  const result: CompletionResult = await createCompletion(model, input, options)
  await createCompletion(model, 'text')
  const { model: used, usage, choices } = result
  const counts: number[] = [
    usage.prompt_tokens,
    usage.completion_tokens,
    usage.total_tokens,
    usage.n_past_tokens,
  ]
  for (const choice of choices) messages.push(choice.message)

  const stream = createCompletionStream(model, 'text', options)
  const tokens: NodeJS.ReadableStream = stream.tokens
  tokens.pipe(process.stdout)
  tokens.on('data', (data) => process.stdout.write(data))
  const streamed: Promise<CompletionResult> = stream.result
  const generator: AsyncGenerator<string, CompletionResult> = createCompletionGenerator(model, 'text', {})
  let chunk = await generator.next()
  while (!chunk.done) {
    process.stdout.write(chunk.value)
    chunk = await generator.next()
  }
  const last: CompletionResult = chunk.value
  const generated: InferenceResult = await model.generate('text', {
    nPast: (await streamed).usage.n_past_tokens,
  })
  const numbers: number[] = [generated.nPast, generated.tokensIngested, generated.tokensGenerated]
  console.log(name, used, counts, last, numbers, generated.text)
  await sessions(model)
  await createCompletion(new Echo(), 'text')
  await createCompletion(new Shouting(model), 'text')
}

async function sessions(model: InferenceModel): Promise<void> {
  await model.createChatSession()
  const chat: ChatSession = await model.createChatSession({
    systemPrompt: 'a',
    messages: [{ role: 'user', content: 'b' }],
    temperature: 0.8,
    topK: 1,
  })
  const made = new ChatSession(model, { systemPrompt: 'a', nPredict: 3 })
  const ingested: number = await made.initialize({ nBatch: 8 })
  const active: ChatSession | undefined = model.activeChatSession
  const context: LLModelPromptContext = chat.promptContext
  const said: ChatMessage[] = chat.messages
  const answer: InferenceResult = await chat.generate(said, { temp: 0 })
  await chat.generate('text')
  const owner: InferenceModel = chat.model
  console.log(active?.systemPrompt, chat.modelName, context.nPast, ingested, answer.text, owner.modelName)
}

class Echo implements CompletionProvider {
  modelName = 'echo'
  async generate(input: CompletionInput, options?: CompletionOptions): Promise<InferenceResult> {
    const text = typeof input === 'string' ? input : input.map(({ content }) => content).join('\n')
    options?.onResponseToken?.(1, text)
    return { text, nPast: 0, tokensIngested: 1, tokensGenerated: 1 }
  }
}

class Shouting extends ChatSession {
  override async generate(input: CompletionInput, options?: CompletionOptions): Promise<InferenceResult> {
    const result = await super.generate(input, options)
    return { ...result, text: result.text.toUpperCase() }
  }
}

// LLModel.embed() is left out: it was declared to return vectors, and returned an EmbeddingResult.
function embeddings(embedder: EmbeddingModel): void {
  const one: EmbeddingResult<Float32Array> = createEmbedding(embedder, 'text')
  const several: EmbeddingResult<Float32Array[]> = createEmbedding(embedder, ['one', 'two'], {
    prefix: 'search_query',
    dimensionality: 256,
    longTextMode: 'truncate',
    atlas: true,
  })
  const count: number = one.n_prompt_tokens + several.n_prompt_tokens
  const direct: EmbeddingResult<Float32Array> = embedder.embed('text', 'search_query', -1, true, false)
  const list: EmbeddingResult<Float32Array[]> = embedder.embed(['text'], 'search_query', -1, true, false)
  console.log(count, direct.embeddings.length, list.embeddings[0]?.length, embedder.config.path)
}

function native(llm: LLModel): void {
  const made = new LLModel({ type: 'llama', model_name: 'a', model_path: '.', library_path: '.' })
  class Extended extends LLModel {}
  const type: string | undefined = made.type()
  const texts: string[] = [llm.name(), llm.getLibraryPath()]
  const numbers: number[] = [llm.stateSize(), llm.threadCount()]
  const truths: boolean[] = [llm.isModelLoaded(), llm.hasGpuDevice(), llm.initGpuByString(1, 'gpu')]
  llm.setThreadCount(4)
  llm.setLibraryPath('.')
  const devices: GpuDevice[] = llm.listGpu(2048)
  for (const { index, type, heapSize, name, vendor } of devices)
    console.log(index + type + heapSize, name + vendor)
  llm.infer('text', { nPredict: 1, onPromptToken: () => false }).then(({ text, nPast }) => {
    console.log(text.length + nPast)
  })
  llm.dispose()
  console.log(Extended, type, texts, numbers, truths)
}
