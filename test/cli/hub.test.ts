import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { home, run, start } from '../support/cli.ts'
import { HubServer } from '../support/hub-server.ts'
import { EMBEDDED } from '../support/models.ts'
import { json } from '../support/server.ts'

const NAME = 'hf:maker/Tiny-GGUF:Q8_0'
const file = join(home, '.cache', 'gpt4all', 'maker--Tiny-GGUF--tiny-Q8_0.gguf')

let hub: HubServer
let env: Record<string, string>
beforeAll(async () => {
  hub = await HubServer.start()
  env = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: 'hf_openSesame' }
  hub.host('maker/Tiny-GGUF', { 'tiny-Q8_0.gguf': readFileSync(EMBEDDED) }, { token: 'hf_openSesame' })
})
afterAll(() => hub.close())

test('-m hf:owner/repo:quant downloads the model, opens it, and is remembered as it is', async () => {
  const answered = await run(
    ['generate', '-m', NAME, '--raw', '-n', '3', 'The capital of France is'],
    '',
    env,
  )
  expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining('Paris') })
  expect(answered.stderr).not.toContain('openSesame')
  expect(existsSync(file)).toBe(true)
  hub.forget()
  expect(await run(['generate', '--raw', '-n', '3', 'The capital of France is'], '', env)).toMatchObject({
    code: 0,
  })
  const state = JSON.parse(readFileSync(join(home, 'state', 'gpt4all-ts', 'cli.json'), 'utf8'))
  expect(state.model).toBe(NAME)
  expect(hub.front.requests).toEqual([])
})

test('serve -m offers the model under its name', async () => {
  const { child, said, ended } = start(['serve', '-m', NAME, '--port', '0', '--n-threads', '1'], env)
  const [url] = await said(/http:\/\/127[^\s]+/)
  const { data } = await json(fetch(`${url}/v1/models`))
  expect(data).toMatchObject([{ id: NAME }])
  expect(await json(fetch(`${url}/v1/models/${encodeURIComponent(NAME)}`))).toMatchObject({ id: NAME })
  const body = JSON.stringify({
    model: NAME,
    prompt: 'The capital of France is',
    max_tokens: 3,
    temperature: 0,
  })
  const asked = fetch(`${url}/v1/completions`, { method: 'POST', body })
  expect((await json(asked)).choices[0].text).toContain('Paris')
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

test('models download, info, verify and remove take the name', async () => {
  expect(await run(['models', 'download', NAME], '', env)).toMatchObject({ code: 0, stdout: `${file}\n` })
  expect((await run(['models', 'info', NAME], '', env)).stdout).toContain(file)
  expect((await run(['models', 'verify', NAME], '', env)).stdout).toContain('the checksum matches (sha256')
  expect((await run(['doctor', '-m', NAME], '', env)).stdout).toContain(`${NAME} `)
  expect((await run(['models', 'list', '--local'], '', env)).stdout).toContain(
    'maker--Tiny-GGUF--tiny-Q8_0.gguf',
  )
  expect(await run(['models', 'remove', NAME, '--yes'], '', env)).toMatchObject({
    code: 0,
    stdout: `Deleted ${file}\n`,
  })
  expect([file, `${file}.json`].filter(existsSync)).toEqual([])
})

test('a name that is wrong, or that the repository does not have, is one sentence and an exit code', async () => {
  const wrong = await run(['generate', '-m', 'hf:maker', 'Hello'], '', env)
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('hf:owner/repo')])
  const absent = await run(['models', 'download', 'hf:maker/Tiny-GGUF:Q4_0'], '', env)
  expect([absent.code, absent.stderr]).toEqual([
    3,
    expect.stringMatching(/does not have Q4_0\. It has Q8_0 \(\d+ MiB\)/),
  ])
  const closed = await run(['models', 'download', NAME], '', { ...env, HF_TOKEN: '' })
  expect([closed.code, closed.stderr]).toEqual([4, expect.stringContaining('HF_TOKEN')])
})
