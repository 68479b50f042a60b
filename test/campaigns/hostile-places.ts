import { linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { NO_FILES } from '../support/no-files.ts'

/** What somebody else puts where a download wants to write; `victim` is a file of the user's own. */
export type Place = { readonly what: string; put(target: string, victim: string): Promise<void> | void }

const ENDINGS = ['.part', '.part.json', '.lock', '.json', '']
const YEAR_MS = 365 * 86_400_000

export const PLACES: readonly Place[] = [
  ...ENDINGS.flatMap((ending) => [
    ...Object.entries(NO_FILES)
      .filter(([, { during }]) => during === undefined)
      .map(([kind, { place }]) => ({
        what: `${kind} as ${ending || 'the file'}`,
        put: (target: string) => place(target + ending),
      })),
    {
      what: `a symbolic link as ${ending || 'the file'}`,
      put: (target: string, victim: string) => symlinkSync(victim, target + ending),
    },
    {
      what: `a hard link as ${ending || 'the file'}`,
      put: (target: string, victim: string) => linkSync(victim, target + ending),
    },
  ]),
  {
    what: 'a lock of next year',
    put: (target) => {
      mkdirSync(`${target}.lock`)
      const date = new Date(Date.now() + YEAR_MS)
      utimesSync(`${target}.lock`, date, date)
    },
  },
  {
    what: 'a note of something else',
    put: (target) => {
      writeFileSync(`${target}.part`, 'abc')
      writeFileSync(`${target}.part.json`, '{"url":{},"etag":7,"size":"x","digest":[]}')
    },
  },
  {
    what: 'a note without end',
    put: (target) => {
      writeFileSync(`${target}.part`, 'abc')
      writeFileSync(`${target}.part.json`, `"${'x'.repeat(2 ** 22)}"`)
    },
  },
]

/** Puts one there, and says whether the user's own file is as it was. */
export async function withPlace<T>(
  { put }: Place,
  target: string,
  victim: string,
  work: () => Promise<T>,
): Promise<{ readonly outcome: T; readonly isHarmless: boolean }> {
  const mine = `mine ${Math.random()}`
  writeFileSync(victim, mine)
  await put(target, victim)
  const outcome = await work()
  const isHarmless = readFileSync(victim, 'utf8') === mine
  rmSync(victim)
  return { outcome, isHarmless }
}

/** Addresses of this machine, and others that a server of the internet must not lead to. */
export const ASTRAY = (port: string): readonly string[] => [
  `http://127.0.0.1:${port}/inside`,
  `http://127.1:${port}/inside`,
  `http://2130706433:${port}/inside`,
  `http://0x7f000001:${port}/inside`,
  `http://017700000001:${port}/inside`,
  `http://0:${port}/inside`,
  `http://localhost:${port}/inside`,
  `http://any.LOCALHOST.:${port}/inside`,
  `http://user:word@127.0.0.1:${port}/inside`,
  `http://%31%32%37.0.0.1:${port}/inside`,
  `//127.0.0.1:${port}/inside`,
  `http:\\\\127.0.0.1:${port}\\inside`,
  `http://[::]:${port}/inside`,
  `http://[::1]:${port}/inside`,
  `http://[::ffff:127.0.0.1]:${port}/inside`,
  `http://[::ffff:7f00:1]:${port}/inside`,
  `http://[64:ff9b::7f00:1]:${port}/inside`,
  `http://[2002:7f00:1::]:${port}/inside`,
  'http://169.254.169.254/',
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://192.168.0.1/',
  'http://100.64.0.1/',
  'http://224.0.0.1/',
  'http://[fe80::1]/',
  'http://[fd00::1]/',
  'http://[ff02::1]/',
]
