import { afterEach, describe, expect, test, vi } from 'vitest'
import { isSilent, LOG_LEVELS } from '../../src/core/logger.ts'
import { resolveLogger } from '../../src/core/stderr-logger.ts'

afterEach(() => void vi.unstubAllEnvs())

describe('the log', () => {
  test.each<[boolean, string, string | undefined]>([
    [false, '', undefined],
    [false, 'debug', 'debug'],
    [false, 'error', 'error'],
    [true, '', 'info'],
    [true, 'debug', 'debug'],
    [true, 'info', 'info'],
    [true, 'warn', 'info'],
  ])('with verbose %s and GPT4ALL_LOG "%s" begins at level %s', (verbose, named, level) => {
    vi.stubEnv('GPT4ALL_LOG', named)
    const logger = resolveLogger(undefined, verbose)
    expect(LOG_LEVELS.find((one) => !isSilent(logger, one))).toBe(level)
  })

  test('goes to the given logger, whatever else is set', () => {
    vi.stubEnv('GPT4ALL_LOG', 'error')
    const lines: string[] = []
    const at = (level: string) => (line: string) => lines.push(`${level} ${line}`)
    const given = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    const logger = resolveLogger(given, true)
    for (const level of LOG_LEVELS) logger[level]('said')
    expect(lines).toEqual(LOG_LEVELS.map((level) => `${level} said`))
  })
})
