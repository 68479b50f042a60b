/** What the child process that tries a model file does: a text, since a bundled program has no file of ours to run. */

/** The steps of loading, each begun where a stage of `NativeModelLoad` is over. */
export const LOADING = ['loading it', 'loading its tokens', 'loading its vocabulary', 'loading its weights']
/** Behind them; texts are tokenized while the context is made. */
export const MAKING_CONTEXT = 'reading its vocabulary and making a context'

/** What the program returns for a model whose logits are not numbers. */
export const NO_NUMBERS = 'no numbers'

/** Of a prompt, about: small models get longer ones. */
const MULTIPLICATIONS = 5e8

/**
 * What header checks do not find llama.cpp may answer with `abort()`, a crash or a loop that never ends, in whoever loads the
 * file. So a file that is not known is opened in a child process first, with all that reads what it says: the weights stay
 * mapped, so that they take no memory that the opening after it would not take as well. The child holds the very files that were
 * checked, as `HeldFiles` does: what it finds out would otherwise be remembered of a file that it has not opened.
 */
export const PROGRAM = `async ({ Model, Context, Sampler }, input, watch, step) => {
  const { constants, existsSync, fstatSync, openSync, statSync, symlinkSync } = require('node:fs')
  const { parts, adapters, links, cache } = JSON.parse(input)
  const files = [...parts, ...adapters]
  const isSame = ({ identity }, find) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = find()
      return identity === [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    } catch { return false }
  }
  const isThere = (file) => isSame(file, () => statSync(file.path, { bigint: true }))
  const hold = ({ path }) => openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0))
  const names = []
  for (const file of files) {
    if (!isThere(file)) return 'changed' // by a named pipe, which must not be opened
    const held = hold(file)
    if (!isSame(file, () => fstatSync(held, { bigint: true }))) return 'changed'
    const name = '/proc/self/fd/' + held
    names.push(process.platform === 'linux' && existsSync(name) ? name : file.path)
  }
  for (const [i, link] of links.entries()) symlinkSync(names[i], link)

  const refusal = (error) => { if (error.code === undefined) throw error }

  const stepsOfLoading = ${JSON.stringify(LOADING)}
  step(stepsOfLoading[0])
  const params = {
    vocabOnly: false, gpuLayers: 0, devices: [], adapters: names.slice(parts.length), tensorSplit: [], repack: false,
    onStage: (stages) => step(stepsOfLoading[stages]),
  }
  const loading = Model.load(links[0] ?? names[0], params)
  watch() // nothing that reads the file is done on this thread
  const model = await loading.promise.catch(refusal)
  if (!files.every(isThere)) return 'changed'
  if (!model) return 'refused'
  const { hasEncoder, hasDecoder, isDiffusion, vocabSize } = model.info
  if (hasEncoder || !hasDecoder || isDiffusion) return 'refused'

  step('${MAKING_CONTEXT}')
  const mostTokens = Math.max(8, Math.min(512, model.info.trainedContextSize))
  const count = Math.min(mostTokens / 2, Math.max(2, Math.floor(${MULTIPLICATIONS} / 2 / model.info.sizeBytes)))
  const contextSize = Math.min(mostTokens, 2 * count <= 256 ? 256 : 512) // shifting costs what there is room for
  const shape = {
    contextSize, sequences: 2, batchSize: contextSize, microBatchSize: contextSize, maxOutputs: 8, threads: 1, batchThreads: 1,
    poll: 0, ...cache, adapterScales: adapters.map(() => 1),
  }
  const making = Context.create(model, shape).catch(refusal)
  const tokenizing = []
  for (const text of ['Hello, world!', ' a\\n\\n  b', '\\u00e9\\u4e16\\ud83d\\ude42 12345', '<|im_start|></s>\\u0000']) {
    for (const parseSpecial of [false, true]) {
      for (const anchor of ['', '\\n']) {
        const marked = { text, cut: '\\ue000', open: '', close: '', begins: true, addSpecial: true, parseSpecial, anchor }
        tokenizing.push(model.tokenizeLater(marked).promise.catch(refusal))
      }
    }
  }
  const ids = [0, vocabSize - 1]
  for (const found of await Promise.all(tokenizing))
    ids.push(...(found ?? []).filter((id) => id >= 0 && id < vocabSize).slice(0, 2))
  const all = Int32Array.from({ length: vocabSize }, (_, id) => id)
  const most = 2 ** 14 // more go to a thread of low priority
  for (let id = 0; id < vocabSize; id += most)
    await model.detokenizeLater(all.subarray(id, id + most), true).promise.catch(refusal)

  const context = await making
  if (!context) return 'refused'

  step('computing with it')
  const sampling = {
    temperature: 0.7, topK: 40, topP: 0.4, minP: 0, repeatPenalty: 1.18, repeatLastN: 64, presencePenalty: 0,
    frequencyPenalty: 0, biasedTokens: new Int32Array(), biases: new Float32Array(), seed: 1,
  }
  const sampler = new Sampler(vocabSize, sampling)
  const tokens = Int32Array.from({ length: count }, (_, i) => ids[i % ids.length])
  const entry = (sequence, position, tokens) => ({ sequence, position, tokens, sampler, outputs: [tokens.length - 1] })
  const computed = await context.eval([entry(0, 0, tokens), entry(1, 0, tokens)]).catch(refusal)
  if (!computed) return 'refused'
  if (computed.some(({ error }) => error)) {
    // A good model may have no numbers for tokens that no text has.
    const usual = (await tokenizing[0]) ?? []
    const again = usual.length === 0 ? [] : await context.eval([entry(0, 0, usual.slice(0, count))]).catch(refusal)
    if (!again) return 'refused'
    if (again.some(({ error }) => error)) return '${NO_NUMBERS}'
  }

  step('keeping what it has computed')
  await context.restore(1, await context.save(0)).catch(refusal)
  await context.remove(1, 0, -1).catch(refusal)
  await context.copy(0, 1).catch(refusal)
  if (context.info.canShift) await context.shift(0, 0, 1).catch(refusal)

  step('going on')
  const { max } = await context.positions(0)
  await context.eval([entry(0, max + 1, tokens.subarray(0, 1))]).catch(refusal)

  step('closing it')
  await context.close()
  model.close()
}`
