import { readFile } from 'node:fs/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Running, serve } from '../support/server.ts'

// Debian's package; scripts/chromium.mjs tells where it lies.
const executablePath = process.env.CHROMIUM ?? 'chromium'

let running: Running
let browser: Browser
let page: Page
/** What the page has asked for, and what went wrong in it. */
const requests: string[] = []
const problems: string[] = []
beforeAll(async () => {
  running = await serve({ defaults: { temp: 0, repeatPenalty: 1 } })
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser.close()
  await running.close()
})
beforeEach(async () => {
  page = await browser.newPage()
  page.setDefaultTimeout(120_000)
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(running.url)
  await page.locator('#model option').waitFor({ state: 'attached' })
})
afterEach(async () => {
  await page.close()
  expect(requests.filter((url) => !url.startsWith(running.url) && !/^(data|blob):/.test(url))).toEqual([])
  expect(problems.splice(0)).toEqual([])
})

const answers = () => page.locator('#log > .assistant > .text')
const ask = async (text: string) => {
  await page.getByLabel('Your message').fill(text)
  await page.keyboard.press('Enter')
}
const isIdle = () => page.getByRole('button', { name: 'Send' }).waitFor()
/** From here on the page reads the beginning of an answer, and no more of it until it is stopped. */
const held = () =>
  page.evaluate(() => {
    const real = globalThis.fetch
    globalThis.fetch = async (input: string | URL | Request, init?: RequestInit) => {
      const response = await real(input, init)
      const stopped = new Promise<void>((resolve) => init?.signal?.addEventListener('abort', () => resolve()))
      let left = 1000
      // Some tokens; those that no screen has shown yet come with the next frame.
      const hold = new TransformStream<Uint8Array, Uint8Array>({
        async transform(bytes, controller) {
          controller.enqueue(bytes)
          left -= bytes.length
          if (left <= 0) await stopped
        },
      })
      return new Response(response.body?.pipeThrough(hold), response)
    }
  })

describe('the chat page', () => {
  test('streams an answer, and shows its speed and how full the context is', async () => {
    await ask('Count from 1 to 20.')
    await isIdle()
    expect(await answers().textContent()).toMatch(/^1, 2, 3, .* 20\.$/)
    await expect
      .poll(() => page.locator('#figures').textContent())
      .toMatch(/^[\d.]+ tokens\/s · context \d+ of 2048 tokens \(\d+ %\)$/)
  })

  test('remembers the conversation, until a new one begins', async () => {
    await ask('My name is Ada.')
    await isIdle()
    await ask('What is my name?')
    await isIdle()
    expect(await answers().nth(1).textContent()).toContain('Ada')
    await page.getByRole('button', { name: 'New chat' }).click()
    expect(await page.locator('#log > li').count()).toBe(0)
  })

  test('stops at the Escape key and at its button, and keeps the text so far', async () => {
    await held()
    for (const stop of [
      () => page.keyboard.press('Escape'),
      () => page.getByRole('button', { name: 'Stop' }).click(),
    ]) {
      await ask('Tell me a story.')
      await expect.poll(async () => (await answers().last().textContent())?.length).toBeGreaterThan(0)
      await stop()
      await isIdle()
      while (running.model.activity.running > 0) await new Promise(setImmediate)
      expect((await answers().last().textContent())?.length).toBeGreaterThan(0)
    }
  })

  test('edits a message and sends it again; asks again for an answer', async () => {
    await ask('What is the capital of France?')
    await isIdle()
    await ask('Count from 1 to 5.')
    await isIdle()
    await page.getByRole('button', { name: 'Edit' }).first().click()
    await page.getByLabel('Edit your message').fill('What is the capital of Italy?')
    await page.getByRole('button', { name: 'Resend' }).click()
    await expect.poll(() => answers().allTextContents()).toEqual([expect.stringContaining('Rome')])
    await isIdle()
    await page.getByRole('button', { name: 'Again' }).click()
    await isIdle()
    await expect.poll(() => answers().allTextContents()).toEqual([expect.stringContaining('Rome')])
  })

  test('sends the system prompt and the sampling that are set, and keeps them for the next visit', async () => {
    await page.getByText('Settings').click()
    await page.getByLabel('System prompt').fill('Answer in upper case.')
    await page.getByLabel('Max tokens').fill('5')
    await page.reload()
    await page.locator('#model option').waitFor({ state: 'attached' })
    const sent = page.waitForRequest('**/v1/chat/completions')
    await ask('hello')
    expect((await sent).postDataJSON()).toMatchObject({
      model: 'tiny',
      max_tokens: 5,
      messages: [
        { role: 'system', content: 'Answer in upper case.' },
        { role: 'user', content: 'hello' },
      ],
    })
    await isIdle()
  })

  test('keeps the conversation over a reload, until another is begun', async () => {
    await ask('What is the capital of France?')
    await isIdle()
    const before = await answers().allTextContents()
    await page.reload()
    expect(await answers().allTextContents()).toEqual(before)
    await page.locator('#model option').waitFor({ state: 'attached' })
    await page.getByRole('button', { name: 'New chat' }).click()
    await page.reload()
    expect(await answers().count()).toBe(0)
  })

  test('exports the chat as JSON', async () => {
    await ask('Count from 1 to 5.')
    await isIdle()
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export' }).click()
    const chat = JSON.parse(await readFile(await (await downloading).path(), 'utf8'))
    expect(chat.messages).toEqual([
      { role: 'user', content: 'Count from 1 to 5.' },
      expect.objectContaining({ role: 'assistant', content: '1, 2, 3, 4, 5.' }),
    ])
  })

  test('says in words what the server refuses', async () => {
    await ask('word '.repeat(5000))
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('tokens')
    await isIdle()
    problems.splice(0) // the browser notes that a request has failed
  })

  test('keeps the conversation if a request cannot be repeated', async () => {
    await ask('What is the capital of France?')
    await isIdle()
    const before = await answers().allTextContents()
    await page.getByLabel('Your message').fill('a draft')
    await page.route('**/v1/chat/completions', (route) =>
      route.fulfill({ status: 503, json: { error: { message: 'Busy.' } } }),
    )
    await page.getByRole('button', { name: 'Again' }).click()
    await expect.poll(() => page.getByRole('alert').textContent()).toBe('Busy.')
    await isIdle()
    await page.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('Edit your message').fill('What is the capital of Italy?')
    await page.getByRole('button', { name: 'Resend' }).click()
    await isIdle()
    expect(await answers().allTextContents()).toEqual(before)
    expect(await page.getByLabel('Your message').inputValue()).toBe('a draft')
    await page.keyboard.press('Enter') // in the box: a new question, which comes back
    await isIdle()
    expect(await page.getByLabel('Your message').inputValue()).toBe('a draft')
    expect(await answers().allTextContents()).toEqual(before)
    problems.splice(0)
  })

  test('says if an answer is cut off by a limit, or by a lost connection', async () => {
    await page.getByText('Settings').click()
    await page.getByLabel('Max tokens').fill('3')
    await ask('Count from 1 to 20.')
    await isIdle()
    expect(await page.getByRole('alert').textContent()).toContain('cut off')
    const piece = { choices: [{ delta: { content: 'half an ans' } }] }
    await page.route('**/v1/chat/completions', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: `data: ${JSON.stringify(piece)}\n\n` }),
    )
    await ask('And?')
    await isIdle()
    expect(await page.getByRole('alert').textContent()).toContain('connection ended')
    expect(await answers().last().textContent()).toBe('half an ans')
  })

  test('shows markup that a model writes as text', async () => {
    const text = '<img src=x onerror=alert(1)> `a < b` ```js\nlet x\n```'
    await page.evaluate(`fill(document.getElementById('problem'), ${JSON.stringify(text)})`)
    const problem = page.locator('#problem')
    expect(await problem.locator('img').count()).toBe(0)
    expect(await problem.locator('code').textContent()).toBe('a < b')
    expect(await problem.locator('pre').textContent()).toBe('let x')
  })

  test('is usable by keyboard, has a name for every control, and focuses the input', async () => {
    const unnamed = await page.evaluate(`
      [...document.querySelectorAll('button, select, input, textarea')]
        .filter((control) => !control.textContent.trim() && !control.labels?.[0]?.textContent.trim())
        .map(({ id }) => id)`)
    expect(unnamed).toEqual([])
    expect(await page.evaluate('document.activeElement.id')).toBe('prompt')
    await page.keyboard.type('Count from 1 to 5.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await isIdle()
    expect(await page.getByRole('status').textContent()).toContain('1, 2, 3, 4, 5.')
    expect(await page.evaluate('document.activeElement.id')).toBe('prompt')
  })

  test.each(['light', 'dark'] as const)('can be read in the %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme })
    const [front, back] = (await page.evaluate(`
      ['color', 'backgroundColor'].map((name) =>
        getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3).map(Number))`)) as number[][]
    expect(contrast(front!, back!)).toBeGreaterThan(7)
  })
})

/** As WCAG reckons it. */
function contrast(one: readonly number[], other: readonly number[]): number {
  const luminance = (color: readonly number[]) => {
    const [r = 0, g = 0, b = 0] = color.map((channel) => {
      const share = channel / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (high! + 0.05) / (low! + 0.05)
}
