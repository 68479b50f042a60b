// Serves one file on the loopback, in a process of its own: `node bench/file-server.mjs FILE` says its address on
// stdout, and ends with its stdin.
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'

const [file] = process.argv.slice(2)
const { size } = statSync(file)
const server = createServer((_, response) => {
  response.writeHead(200, { 'content-length': size, etag: '"file"' })
  createReadStream(file, { highWaterMark: 2 ** 20 }).pipe(response)
})
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${server.address().port}/model.gguf\n`),
)
process.stdin.resume().on('end', () => process.exit())
