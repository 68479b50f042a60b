import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { nativeCode } from '../../src/native/failures.ts'
import { binding } from '../support/native-models.ts'

/**
 * `npm run campaign:jinja2 -- --count 5000 --seed 1`: generated templates, and mutated ones of llama.cpp's collection and the
 * catalogs, rendered here and by Python's Jinja2, which is fetched by pip where it is missing.
 */

const COUNT = Number(process.env.CAMPAIGN_COUNT ?? 300)
const SEED = process.env.CAMPAIGN_SEED ?? '1'
const JINJA2 = 'jinja2==3.1.6'
const root = join(import.meta.dirname, '..', '..')
const packages = join(root, '.cache', 'jinja2')
const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' }

/** As Jinja2 renders a template: neither where it takes too long, or writes what cannot be compared. */
type Judged = {
  readonly number: number
  readonly source: string
  readonly text?: string
  readonly error?: string
}

/**
 * Where ours may write a text though Jinja2 in transformers' sandbox raises: see docs/decisions.md. To templates with `functools[`
 * llama.cpp gives `functions`.
 */
const LENIENT = /\.(append|pop)\(|map\(.*tojson| functools\[/s

function hasJinja2(): boolean {
  const python = (...args: string[]) => execFileSync('python3', args, { env, stdio: 'pipe' })
  const check = `import jinja2; assert jinja2.__version__ == '${JINJA2.split('==')[1]}'`
  try {
    python('-c', check)
    return true
  } catch {}
  try {
    python('-m', 'pip', 'install', '--quiet', '--upgrade', '--target', packages, JINJA2)
    python('-c', check)
    return true
  } catch {
    return false
  }
}

async function* judged(): AsyncGenerator<Judged> {
  const oracle = join(root, 'test', 'golden', 'jinja', 'oracle.py')
  const child = spawn('python3', [oracle, '--count', `${COUNT}`, '--seed', SEED], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line)
  expect(await ended).toBe(0)
}

/** llama.cpp asks for an answer behind tool responses too, which Gemma 4's template leaves out. */
const BEHIND_TOOLS = '<tool_response|>'
const ASKED = '<|turn>model\n'

type Rendered = { readonly text?: string; readonly code?: string; readonly message?: string }

async function render(source: string): Promise<Rendered> {
  try {
    const template = new binding.ChatTemplate(undefined, source)
    const params = {
      messages: [{ role: 'user', content: 'Hi' }],
      addGenerationPrompt: true,
      enableThinking: true,
    } as const
    return { text: (await template.renderLater(params).promise).prompt }
  } catch (error) {
    return { code: nativeCode(error) ?? `${error}`, message: (error as Error).message }
  }
}

test('templates render to the same text as in Jinja2, or are refused', async () => {
  if (!hasJinja2()) {
    console.log(`Left out: this campaign needs python3 with ${JINJA2}, which pip could not fetch.`)
    return
  }
  const wrong: object[] = []
  const refused: object[] = []
  let [texts, errors, lenient] = [0, 0, 0]
  for await (const { number, source, text, error } of judged()) {
    if (text === undefined && error === undefined) continue
    const ours = await render(source)
    const isTimed = source.includes('strftime_now')
    if (ours.text === undefined && ours.code !== 'ERR_TEMPLATE') wrong.push({ number, ...ours })
    if (error !== undefined) {
      errors++
      if (ours.text === undefined) continue
      if (LENIENT.test(source)) lenient++
      else wrong.push({ number, error, ours: ours.text.slice(-200) })
      continue
    }
    texts++
    if (ours.text === undefined) refused.push({ number, message: ours.message })
    else if (source.includes(BEHIND_TOOLS) && ours.text === text + ASKED) continue
    else if (ours.text !== text && !isTimed) wrong.push({ number, ...difference(text!, ours.text) })
  }
  console.log(
    `${texts + errors} templates of seed ${SEED}: ${texts} texts, of which ${refused.length} are refused here; ${errors} errors of Jinja2, of which ${lenient} are texts here`,
  )
  if (refused.length > 0) console.log(refused.slice(0, 20))
  expect(wrong).toEqual([])
  expect(refused.length).toBeLessThanOrEqual(texts / 50)
})

/** From a little before where they part. */
function difference(theirs: string, ours: string): object {
  let at = 0
  while (theirs[at] === ours[at] && at < theirs.length) at++
  const part = (text: string) => text.slice(Math.max(0, at - 30), at + 100)
  return { theirs: part(theirs), ours: part(ours) }
}
