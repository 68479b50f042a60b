import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'models/README.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const textOf = (page: string) =>
  readFileSync(join(root, page), 'utf8').replaceAll(/^ *```[\s\S]*?^ *```/gm, '')

/** Names of the places in a page, as GitHub makes them. */
function placesIn(page: string): Set<string> {
  const places = new Set<string>()
  const counts = new Map<string, number>()
  const text = textOf(page)
  for (const [, title] of text.matchAll(/^#+ (.+)$/gm)) {
    const slug = title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(slug) ?? 0
    counts.set(slug, count + 1)
    places.add(count === 0 ? slug : `${slug}-${count}`)
  }
  for (const [, id] of text.matchAll(/<a id="([^"]+)">/g)) places.add(id!)
  return places
}

/** Paths of this repository that a page names as code: `src/a.ts`, `native/b.{h,cc}`, `test/c/`. */
function pathsIn(page: string): string[] {
  const named = textOf(page).matchAll(/`((?:src|native|test|scripts|docs)\/[\w./{},-]*)`/g)
  return Array.from(named, ([, path]) => path!).flatMap((path) => {
    const [, before, choices, after] = /^(.*)\{(.+)\}(.*)$/.exec(path) ?? []
    return choices === undefined ? [path] : choices.split(',').map((choice) => `${before}${choice}${after}`)
  })
}

test.each(pages)('every file of the repository that %s names exists', (page) => {
  expect(pathsIn(page).filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test.each(pages)('every link in %s leads to a file, and a place in it, that exist', (page) => {
  const links = [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!)
  const missing = links.filter((to) => {
    if (/^[a-z]+:/.test(to)) return false
    const [path, place] = to.split('#')
    const file = path === '' ? join(root, page) : join(root, dirname(page), path!)
    if (!existsSync(file)) return true
    return place !== undefined && !placesIn(relative(root, file)).has(place)
  })
  expect(missing).toEqual([])
})
