import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { missingOptionals } from '../../scripts/complete-lock.mjs'
import { notices } from '../../scripts/notices.mjs'
import { inRoot, pins } from '../../scripts/paths.mjs'

describe('the committed files agree:', () => {
  test.skipIf(!existsSync(inRoot('.git')))('the submodule is the pinned commit', () => {
    const link = execFileSync('git', ['ls-files', '--stage', '--', 'vendor/llama.cpp'], {
      cwd: inRoot(),
      encoding: 'utf8',
    })
    expect(link).toContain(`160000 ${pins['llama.cpp'].commit}`)
  })

  test('THIRD_PARTY_NOTICES.md is what `npm run notices` writes', () => {
    expect(readFileSync(inRoot('THIRD_PARTY_NOTICES.md'), 'utf8')).toBe(notices())
  })

  test('package-lock.json holds the optional packages of every platform (else: npm run lock:complete)', () => {
    const { packages } = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8'))
    expect(Object.keys(missingOptionals(packages))).toEqual([])
  })

  test('package-lock.json names no registry', () => {
    expect(readFileSync(inRoot('package-lock.json'), 'utf8')).not.toContain('"resolved"')
  })
})
