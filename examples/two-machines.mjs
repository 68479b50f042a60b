// One model over several machines: node examples/two-machines.mjs host:port [host:port ...] [-- model.gguf]
// On each of them a ggml-rpc-server of the same llama.cpp runs (docs/isolation.md tells how to build and start it). Without any
// address it computes in a process of its own on this machine, which is also what happens with them.
import { GPT4All } from 'gpt4all-ts'

const [servers, [path = 'models/gpt4all-ts-tiny-chat.Q8_0.gguf']] = split(process.argv.slice(2), '--')

if (servers.length > 0) {
  for (const { name, description, memoryFree } of await GPT4All.listDevices({ rpcServers: servers }))
    console.log(`${name.padEnd(8)} ${description.padEnd(24)} ${Math.round(memoryFree / 2 ** 20)} MiB free`)
}
const model = await GPT4All.load(path, { isolated: true, rpcServers: servers })
console.log(`computing on ${model.device ?? 'the CPU of this machine'}`)
try {
  for await (const piece of model.generate('Once upon a time', { maxTokens: 64 })) process.stdout.write(piece)
  process.stdout.write('\n')
} catch (error) {
  // A machine that goes away is an error like any other; the next call connects again.
  if (error.code !== 'ERR_ENGINE_CRASHED') throw error
  console.log(`\n${error.message}`)
}
await model.close()

function split(words, mark) {
  const at = words.indexOf(mark)
  return at < 0 ? [words, []] : [words.slice(0, at), words.slice(at + 1)]
}
