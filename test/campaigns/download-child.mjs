// Downloads, as a program would: `node download-child.mjs URL FOLDER MD5`. Says `done` or the code of the error.
import { GPT4All } from 'gpt4all-ts'

const [url, modelPath, md5sum] = process.argv.slice(2)
process.send?.('ready')
try {
  await GPT4All.downloadModel('model', { url, modelPath, md5sum })
  process.stdout.write('done')
} catch (error) {
  process.stdout.write(error.code ?? String(error))
}
