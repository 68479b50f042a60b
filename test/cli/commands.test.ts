import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GPT4All } from '../../src/index.ts'
import { home, run, start } from '../support/cli.ts'
import { EMBEDDED } from '../support/models.ts'
import { json } from '../support/server.ts'

describe('gpt4all-ts models', () => {
  const folder = join(home, 'models')

  test('list shows the models on the disk, with and without a network', async () => {
    const empty = await run(['models', 'list'])
    expect(empty.code).toBe(4)
    expect(empty.stdout).toContain('none')
    expect(empty.stderr).toContain('list of models cannot be read')
    await mkdir(folder, { recursive: true })
    await copyFile(EMBEDDED, join(folder, 'tiny.gguf'))
    const { stdout, stderr } = await run(['models', 'list', '--local', '--model-path', folder])
    expect(stdout).toMatch(/^ {2}tiny\.gguf +[\d.]+ MB$/m)
    expect(stderr).toBe('')
    const { local } = JSON.parse((await run(['models', '--local', '--json', '--model-path', folder])).stdout)
    expect(local).toMatchObject([{ name: 'tiny.gguf', bytes: expect.any(Number) }])
  })

  test('refuses an unknown command, and describes a model by its relative path', async () => {
    expect(await run(['models', 'lits'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('unknown command'),
    })
    await mkdir(join(folder, 'below'), { recursive: true })
    await copyFile(EMBEDDED, join(folder, 'below', 'tiny.gguf'))
    const here = ['models', 'info', 'below/tiny.gguf', '--json']
    const { architecture, memory } = JSON.parse((await run(here, '', {}, folder)).stdout)
    expect([architecture, memory.trainedContextSize]).toEqual(['llama', 2048])
  })

  test('remove deletes no file outside the folder, no file that is not a model, and nothing unconfirmed', async () => {
    const [inside, outside] = [join(home, 'inside'), join(home, 'outside.gguf')]
    await mkdir(join(inside, 'below'), { recursive: true })
    for (const place of [outside, join(inside, 'below', 'a.gguf'), join(inside, 'a.gguf')])
      await copyFile(EMBEDDED, place)
    await writeFile(join(inside, 'notes.txt'), 'mine')
    const remove = (name: string, ...more: string[]) =>
      run(['models', 'remove', name, '--model-path', inside, ...more], '', {}, inside)
    for (const name of ['../outside', '../outside.gguf', outside, 'below/a.gguf', 'notes.txt', './notes.txt'])
      expect(await remove(name, '--yes'), name).toMatchObject({ code: 3, stdout: '' })
    const unasked = await remove('a')
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('--yes')])
    expect(existsSync(join(inside, 'a.gguf'))).toBe(true)
    expect((await remove('./a.gguf', '--yes')).stdout).toMatch(/^Deleted .*a\.gguf$/m)
    expect(existsSync(join(inside, 'a.gguf'))).toBe(false)
  })

  test('remove deletes all parts of a split model', async () => {
    const parts = [1, 2].map((part) => join(folder, `big-0000${part}-of-00002.gguf`))
    await mkdir(folder, { recursive: true })
    for (const part of parts) await copyFile(EMBEDDED, part)
    const others = ['big.gguf', 'bigger-00001-of-00002.gguf'].map((name) => join(folder, name))
    for (const other of others) await copyFile(EMBEDDED, other)
    const remove = (name: string) => run(['models', 'remove', name, '--yes', '--model-path', folder])
    expect((await remove('big')).stdout).toBe(`Deleted ${others[0]}\n`)
    expect([...parts, ...others].filter(existsSync)).toEqual([...parts, others[1]])
    const removed = await remove('big')
    expect(removed.stdout.trim().split('\n')).toHaveLength(2)
    expect([...parts, ...others].filter(existsSync)).toEqual([others[1]])
  })

  test('list marks files that cannot be used, and generate picks a usable one by default', async () => {
    const mixed = join(home, 'mixed')
    await mkdir(mixed)
    await writeFile(join(mixed, 'a.gguf'), 'no model')
    await copyFile(EMBEDDED, join(mixed, 'b.gguf'))
    const { stdout } = await run(['models', 'list', '--local', '--model-path', mixed])
    expect(stdout).toMatch(/^ {2}a\.gguf .*cannot be used/m)
    expect(stdout).toMatch(/^ {2}b\.gguf +[\d.]+ MB$/m)
    const answered = await run(['generate', '--model-path', mixed, '-n', '2', 'Hello'])
    expect([answered.code, answered.stderr]).toEqual([
      0,
      expect.stringMatching(/^It ends after 2 tokens, .*\n$/),
    ])
    const nowhere = await run(['models', 'list', '--local', '--model-path', join(home, 'nowhere')])
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('nowhere')])
  })

  test('info describes a model, and remove deletes it', async () => {
    await mkdir(folder, { recursive: true })
    await copyFile(EMBEDDED, join(folder, 'gone.gguf'))
    const { stdout } = await run(['models', 'info', 'gone', '--model-path', folder, '--n-ctx', '512'])
    expect(stdout).toMatch(/^cache +.* for 512 tokens of context$/m)
    expect((await run(['models', 'remove', 'gone', '--yes', '--model-path', folder])).code).toBe(0)
    const missing = await run(['models', 'info', 'gone', '--model-path', folder])
    expect(missing.code).toBe(3)
    expect(missing.stderr).toContain('models list')
  })
})

describe('gpt4all-ts doctor', () => {
  test('reports machine, addon, folder and disk, and exits with 0 if all are well', async () => {
    const { code, stdout } = await run(['doctor'])
    for (const what of [
      'Node.js',
      'processor',
      'addon',
      'llama.cpp',
      'CPU features',
      'devices',
      'models folder',
      'free disk',
    ])
      expect(stdout).toMatch(new RegExp(`^(ok|no) +${what}`, 'm'))
    expect(code).toBe(0)
  })

  test('counts usable models and unusable files separately', async () => {
    const mixed = join(home, 'counted')
    await mkdir(mixed)
    await writeFile(join(mixed, 'a.gguf'), 'no model')
    await copyFile(EMBEDDED, join(mixed, 'b.gguf'))
    const { code, stdout } = await run(['doctor', '--model-path', mixed])
    expect(stdout).toMatch(/^ok +models folder .*: 1 model, /m)
    expect(stdout).toMatch(/^ok +other files +1 in the models folder cannot be used/m)
    expect(code).toBe(0)
  })

  test('reports what is wrong, and exits with 1', async () => {
    const { code, stdout } = await run(['doctor', '--json'], '', { GPT4ALL_BINDING: '/nowhere.node' })
    expect(code).toBe(1)
    const wrong = JSON.parse(stdout).filter(({ isFine }: { isFine: boolean }) => !isFine)
    expect(wrong).toMatchObject([{ what: 'addon', found: expect.stringContaining('/nowhere.node') }])
  })
})

describe('gpt4all-ts bench', () => {
  test('reports how fast a model reads and writes', async () => {
    const flags = ['--n-threads', '1', '--prompt', '64', '--tokens', '8', '--streams', '2', '--runs', '2']
    const { code, stdout } = await run(['bench', '-m', EMBEDDED, ...flags, '--json'])
    expect(code).toBe(0)
    const { medians, figures } = JSON.parse(stdout)
    for (const what of ['read', 'write', 'together']) {
      expect(figures[what]).toHaveLength(2)
      expect(medians[what]).toBeGreaterThan(0)
    }
  })
})

describe('gpt4all-ts completion', () => {
  test.skipIf(process.platform === 'win32')('completes commands and flags in bash', async () => {
    const { stdout: script } = await run(['completion', 'bash'])
    const complete = (...words: string[]) => {
      const quoted = words.map((word) => `'${word}'`).join(' ')
      const ask = `COMP_WORDS=(gpt4all-ts ${quoted}); COMP_CWORD=${words.length}; _gpt4all_ts; echo "\${COMPREPLY[*]}"`
      const { stdout } = spawnSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
      return stdout.trim().split(' ')
    }
    expect(complete('')).toEqual(expect.arrayContaining(['chat', 'generate', 'models', 'serve', '--help']))
    expect(complete('models', 'do')).toEqual(['download'])
    expect(complete('-q', 'generate', '--top')).toEqual(['--top-k', '--top-p'])
  })

  test('prints scripts for zsh and fish as well, and refuses other shells', async () => {
    expect((await run(['completion', 'zsh'])).stdout).toContain('bashcompinit')
    expect((await run(['completion', 'fish'])).stdout).toMatch(/^complete -c gpt4all-ts .* -l top-k -r -d '/m)
    expect((await run(['completion', 'tcsh'])).code).toBe(2)
  })
})

describe('gpt4all-ts serve', () => {
  const serve = (...args: string[]) => start(['serve', '--port', '0', '--n-threads', '1', ...args])

  test.each(['SIGINT', 'SIGTERM'] as const)('serves one model until %s', async (signal) => {
    const { child, said, ended } = serve('-m', EMBEDDED, '--temp', '0')
    const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Count from 1 to 5.' }] })
    const { choices } = await json(fetch(`${url}/v1/chat/completions`, { method: 'POST', body }))
    expect(choices[0].message.content).toMatch(/^1, 2/)
    child.kill(signal)
    const { code, stdout, stderr } = await ended
    expect(stdout).toBe(`${url}\n`)
    expect(stderr).toContain('"path":"/v1/chat/completions","status":200')
    expect(code).toBe(0)
  })

  test('serves the models of a folder', async () => {
    const folder = join(home, 'served')
    await mkdir(folder, { recursive: true })
    await copyFile(EMBEDDED, join(folder, 'tiny.gguf'))
    const { child, said, ended } = serve('--model-path', folder, '--api-key', 'secret')
    const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
    expect((await fetch(`${url}/v1/models`)).status).toBe(401)
    const { data } = await json(fetch(`${url}/v1/models`, { headers: { authorization: 'Bearer secret' } }))
    expect(data).toMatchObject([{ id: 'tiny' }])
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  test('applies a system prompt, a template, and a limit for answers', async () => {
    const template = join(home, 'own.jinja')
    await writeFile(template, '{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}')
    const flags = ['--system', 'Be brief.', '--chat-template', template, '--token-limit', '2', '--verbose']
    const { child, said, ended } = serve('-m', EMBEDDED, ...flags)
    const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 9 })
    const { usage } = await json(fetch(`${url}/v1/chat/completions`, { method: 'POST', body }))
    expect(usage.completion_tokens).toBeLessThanOrEqual(2)
    child.kill('SIGTERM')
    expect((await ended).stderr).toContain('[system:Be brief.][user:Hi]')
    const nowhere = await serve('-m', EMBEDDED, '--chat-template', join(home, 'nowhere.jinja')).ended
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('nowhere.jinja')])
  })

  test('logs failures as lines of JSON too', async () => {
    const folder = join(home, 'damaged')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'broken.gguf'), 'no model')
    const { child, said, ended } = serve('--model-path', folder, '--quiet')
    const [url] = await said(/http:\/\/127\.0\.0\.1:\d+/)
    const body = JSON.stringify({ model: 'broken', prompt: 'Hello' })
    expect((await fetch(`${url}/v1/completions`, { method: 'POST', body })).status).toBe(500)
    child.kill('SIGTERM')
    const lines = (await ended).stderr.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { status: 500, cause: expect.stringContaining('ModelError') },
    ])
  })

  test('refuses other hosts without a key', async () => {
    const { code, stderr } = await serve('-m', EMBEDDED, '--host', '0.0.0.0').ended
    expect(code).toBe(2)
    expect(stderr).toContain('--api-key')
  })
})

describe('gpt4all-ts chat', () => {
  const chat = (lines: readonly string[], ...args: string[]) =>
    run(
      ['chat', '-m', EMBEDDED, '--temp', '0', '--repeat-penalty', '1', '--n-threads', '1', ...args],
      `${lines.join('\n')}\n`,
    )

  test('answers line by line, and remembers earlier messages', async () => {
    const { code, stdout } = await chat(['My name is Ada.', '', 'What is my name?', '/exit', 'never said'])
    expect(code).toBe(0)
    expect(stdout.split('\n')).toHaveLength(3)
    expect(stdout.split('\n')[1]).toContain('Ada')
  })

  test('reads messages of several lines', async () => {
    const file = join(home, 'lines.json')
    await chat([
      '"""',
      'Count from 1',
      'to 5.',
      '"""',
      'Count from 1 \\',
      'to 5.',
      '/etc/x is a file',
      `/save ${file}`,
    ])
    const { messages } = JSON.parse(await readFile(file, 'utf8'))
    const said = messages.filter((one: { role: string }) => one.role === 'user')
    expect(said.map((one: { content: string }) => one.content)).toEqual([
      'Count from 1\nto 5.',
      'Count from 1 \nto 5.',
      '/etc/x is a file',
    ])
  })

  test('saves a conversation and continues it', async () => {
    const file = join(home, 'talk.json')
    await chat(['My name is Ada.', `/save ${file}`])
    const { messages } = JSON.parse(await readFile(file, 'utf8'))
    expect(messages).toMatchObject([{ role: 'user', content: 'My name is Ada.' }, { role: 'assistant' }])
    expect((await chat(['What is my name?'], '--load', file)).stdout).toContain('Ada')
    expect((await chat([`/load ${file}`, 'What is my name?'])).stdout).toContain('Ada')
    const model = await GPT4All.load(EMBEDDED, { nThreads: 1 })
    await model.chatSession({ messages }).save(file, { state: true })
    await model.close()
    expect((await chat(['What is my name?'], '--load', file)).stdout).toContain('Ada')
  })

  test('refuses to load a file with more in it than any conversation has', async () => {
    const file = join(home, 'large.json')
    await writeFile(file, JSON.stringify(Array(50_000).fill({ role: 'user', content: '' })))
    const { code, stderr } = await chat([], '--load', file)
    expect(code).toBe(1)
    expect(stderr).toContain('is not a saved conversation: it has more than')
  })

  test('says that an answer is cut off, goes on with it, and changes its options', async () => {
    const count = 'Count from 1 to 5.'
    const said = [
      '/set max-tokens 3',
      count,
      '/stats',
      '/continue',
      '/set',
      '/set max-tokens default',
      '/continue',
    ]
    const { stdout, stderr } = await chat([
      ...said,
      '/regenerate',
      '/set temprature 1',
      '/set top-k',
      '/set nCtx 4096',
      '/set callback x',
      '/set constructor x',
      '/set max-tokens infinity',
      '/clear',
      '/continue',
      '/?',
      '/bye',
      'never asked',
    ])
    expect(stdout).toBe('1, \n2, \n3, 4, 5.\n1, 2, 3, 4, 5.\n')
    expect(stderr.match(/It ends after 3 tokens, .* \/continue goes on\./g)).toHaveLength(2)
    for (const words of [
      'maxTokens is 3.',
      'maxTokens has its default again.',
      'maxTokens is 3.',
      'topK has its default.',
      'nCtx cannot be set here: it is set when the program starts',
      'callback cannot be set here',
      'Unknown option --constructor',
      'maxTokens is infinity.',
      'There is no answer to go on with.',
      'Did you mean',
      'It ends after',
    ])
      expect(stderr).toContain(words)
  })

  test('runs its slash commands, and answers them on stderr', async () => {
    const { stdout, stderr } = await chat([
      '/help',
      '/system Answer in upper case.',
      '/system',
      'hello',
      '/stats',
      `/model ${EMBEDDED}`,
      '/model',
      '/reset',
      '/nothing',
      '/load nowhere.json',
    ])
    expect(stdout.trim()).not.toBe('')
    for (const said of [
      '/save <file>',
      'Answer in upper case.',
      'tokens/s',
      'The conversation continues',
      'is forgotten',
      'no command /nothing',
      'nowhere.json does not exist',
    ])
      expect(stderr).toContain(said)
    expect(stdout).not.toContain('/save')
  })

  test('starts without a command, with the last model used', async () => {
    const { code, stdout } = await run([], 'hello\n')
    expect(code).toBe(0)
    expect(stdout.trim()).not.toBe('')
  })

  test('says what to do if there is no model and no terminal to ask for one', async () => {
    const elsewhere = join(home, 'elsewhere')
    await mkdir(elsewhere, { recursive: true })
    await writeFile(join(elsewhere, 'x'), '')
    const { code, stderr } = await run([], 'hello\n', { HOME: elsewhere, XDG_STATE_HOME: elsewhere })
    expect(code).toBe(3)
    expect(stderr).toContain('models list')
  })
})

test.each([
  ['run', 'chat -m'],
  ['pull', 'models download'],
  ['list', 'models list'],
  ['rm', 'models remove'],
  ['show', 'models info'],
  ['ps', '/health'],
])("Ollama's %s is not here, and a line says what does it", async (word, here) => {
  const { code, stderr } = await run([word, 'some-model'])
  expect(code).toBe(2)
  expect(stderr).toContain(here)
})
