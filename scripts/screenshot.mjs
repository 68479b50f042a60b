// Makes docs/images/chat-page.png, the README's picture of the chat page: a real model answers, in Chromium.
import { chromium } from 'playwright-core'
import { GPT4All } from '../dist/index.js'
import { createServer } from '../dist/server.js'
import { findChromium } from './chromium.mjs'
import { inRoot, realModel } from './paths.mjs'
import { main } from './steps.mjs'

const SIZE = { width: 860, height: 620 }
const QUESTIONS = ['What is a black hole?', 'Write a haiku about the sea.']

main(import.meta.url, async () => {
  const model = await GPT4All.load(realModel)
  const server = createServer({ 'SmolLM2-135M-Instruct': model }, { defaults: { temp: 0, maxTokens: 120 } })
  const { url } = await server.listen({ port: 0 })
  const browser = await chromium.launch({ executablePath: await findChromium(), args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({ viewport: SIZE, deviceScaleFactor: 1.5 })
    await page.goto(url)
    for (const question of QUESTIONS) {
      await page.getByLabel('Your message').fill(question)
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: 'Stop' }).waitFor()
      await page.getByRole('button', { name: 'Send' }).waitFor()
    }
    await page.screenshot({ path: inRoot('docs', 'images', 'chat-page.png') })
  } finally {
    await browser.close()
    await server.close()
    await model.close()
  }
})
