import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ENV, home, program, run, start } from '../support/cli.ts'
import { EMBEDDED } from '../support/models.ts'

const GREEDY = ['--temp', '0', '--repeat-penalty', '1', '--n-threads', '1']
const generate = (args: readonly string[], input = '') =>
  run(['generate', '-m', EMBEDDED, ...GREEDY, ...args], input)

describe('gpt4all-ts generate', () => {
  test('writes the answer to stdout, and nothing else', async () => {
    expect(await generate(['Count', 'from', '1', 'to', '5.'])).toEqual({
      code: 0,
      stdout: '1, 2, 3, 4, 5.\n',
      stderr: '',
    })
  })

  test.each(['--no-stream', '--stop=x'])('writes the same text with %s', async (flag) => {
    expect((await generate(['Count from 1 to 5.', flag])).stdout).toBe('1, 2, 3, 4, 5.\n')
  })

  test('appends piped input to the words of the prompt', async () => {
    expect((await generate([], 'Count from 1 to 5.\n')).stdout).toBe('1, 2, 3, 4, 5.\n')
    const { stdout } = await generate(['--json', 'Repeat this:', '-'], 'hello\n')
    expect(JSON.parse(stdout).usage.promptTokens).toBeGreaterThan(5)
  })

  test('does not wait for an input that is never closed', async () => {
    const { ended, child } = start(['generate', '-m', EMBEDDED, ...GREEDY, 'Count from 1 to 5.'])
    child.once('exit', () => child.stdin.destroy())
    expect((await ended).stdout).toBe('1, 2, 3, 4, 5.\n')
  })

  test('reads a pipe of the shell without being asked to', async () => {
    const { spawnSync } = await import('node:child_process')
    const words = [process.execPath, program, 'generate', '-m', EMBEDDED, '--json', '"Repeat:"'].join(' ')
    const tokens = (command: string) => {
      const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: ENV })
      return JSON.parse(stdout).usage.promptTokens
    }
    expect(tokens(`echo hello hello hello | ${words}`)).toBeGreaterThan(tokens(`${words} < /dev/null`))
  })

  test('refuses a pipe that brings more than any context holds, before it fills the memory', async () => {
    const { code, stderr } = await run(['generate', '-m', EMBEDDED, 'x', '-'], ' '.repeat(2 ** 26 + 1))
    expect([code, stderr]).toEqual([2, expect.stringContaining('larger than 64 MiB')])
  })

  test('prints the whole result as JSON with --json', async () => {
    const { stdout } = await generate(['--json', 'Count from 1 to 5.'])
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'gpt4all-ts-tiny-chat.Q8_0',
      text: '1, 2, 3, 4, 5.',
      finishReason: 'stop',
      usage: { completionTokens: expect.any(Number) },
      timings: { tokensPerSecond: expect.any(Number) },
    })
  })

  test('continues a raw prompt, and ends at --max-tokens and --stop', async () => {
    const { stdout } = await generate(['--raw', '--max-tokens', '3', 'The capital of France is'])
    expect(stdout).toBe(' Paris\n')
    const { stdout: stopped } = await generate(['--stop', '3', '--stop', 'x', 'Count from 1 to 5.'])
    expect(stopped).toBe('1, 2, \n')
  })

  test('uses the last model by default, from every folder', async () => {
    await run(['generate', '-m', './models/gpt4all-ts-tiny-chat.Q8_0.gguf', '--max-tokens', '1', 'x'])
    const { stdout } = await run(['generate', ...GREEDY, 'Count from 1 to 5.'], '', {}, home)
    expect(stdout).toBe('1, 2, 3, 4, 5.\n')
  })

  test('finds a file of the current folder by its plain name', async () => {
    const args = ['generate', '-m', 'gpt4all-ts-tiny-chat.Q8_0', ...GREEDY, 'Count from 1 to 5.']
    expect((await run(args, '', {}, dirname(EMBEDDED))).stdout).toBe('1, 2, 3, 4, 5.\n')
  })
})

describe('a failure of gpt4all-ts', () => {
  test.each([
    [
      'a model that is not on the disk',
      ['generate', '-m', 'nowhere.gguf', '--no-allow-download', 'x'],
      3,
      /no model file.*`gpt4all-ts models download`/,
    ],
    [
      'a URL as the model',
      ['generate', '-m', 'https://a.b/c.gguf', 'x'],
      2,
      /`gpt4all-ts models download --url`\) for the model but/,
    ],
    ['a file that is not GGUF', ['generate', '-m', './package.json', 'x'], 3, /GGUF/],
    ['a bad value', ['generate', '-m', EMBEDDED, '--temp', '-1', 'x'], 2, /--temp/],
    ['text instead of a number', ['generate', '-m', EMBEDDED, '--top-k', 'many', 'x'], 2, /must be a number/],
    [
      'an unknown flag',
      ['generate', '--temprature', '1', 'x'],
      2,
      /unknown option.*--temperature|unknown option '--temprature'/,
    ],
    ['an unknown command', ['generat'], 2, /unknown command 'generat' \(did you mean generate\?\)/],
    ['an empty prompt', ['generate', '-m', EMBEDDED], 2, /The prompt is empty/],
    ['a bias without a token id', ['generate', '--logit-bias', 'x=1', 'hi'], 2, /42=-5/],
    ['zero runs', ['bench', '-m', EMBEDDED, '--runs', '0'], 2, /1 or more/],
    ['a prompt longer than the context', ['bench', '-m', EMBEDDED, '--prompt', '99999'], 2, /do not fit/],
    [
      'a system prompt without a template',
      ['generate', '-m', EMBEDDED, '--raw', '-s', 'x', 'y'],
      2,
      /--system/,
    ],
    [
      'a raw prompt that is too long',
      ['generate', '-m', EMBEDDED, '--raw', '--n-ctx', '8', 'one two three four five six seven'],
      1,
      /--n-ctx/,
    ],
    [
      'a download without network',
      ['generate', '-m', 'Llama-3.2-1B-Instruct-Q4_0.gguf', 'x'],
      4,
      /cannot be read|reached/,
    ],
  ])('is one sentence on stderr and an exit code: %s', async (_, args, code, message) => {
    const ended = await run(args as string[])
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toMatch(message as RegExp)
    expect(ended.stderr).not.toMatch(/\n +at /)
    expect(ended.code).toBe(code)
  })

  test('has a stack trace with --verbose', async () => {
    const { stderr } = await run(['--verbose', 'generate', '-m', './package.json', 'x'])
    expect(stderr).toMatch(/\n +at /)
  })

  test('is not reported if the reader of the output closes it early', async () => {
    const { spawnSync } = await import('node:child_process')
    const cli = `"${process.execPath}" dist/cli.cjs`
    const pipe = `${cli} generate -m "${EMBEDDED}" --n-threads 1 --max-tokens 1000 'Tell me a story.' | head -c 5; exit "\${PIPESTATUS[0]}"`
    const { status, stderr } = spawnSync('bash', ['-c', pipe], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
  test.skipIf(process.platform !== 'linux')('is reported if the disk of the output is full', async () => {
    const { spawnSync } = await import('node:child_process')
    const command = `"${process.execPath}" dist/cli.cjs generate -m "${EMBEDDED}" --n-threads 1 'Hello' > /dev/full`
    const { status, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
    expect(stderr).toMatch(/^error: The output cannot be written: .*no space left on device/)
    expect(status).toBe(5)
  })
})
