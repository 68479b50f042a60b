// npm run test:mutations -- generation options [--only src/chat/prompt.ts] [--share 0.2] [--workers 2]
//
// StrykerJS changes the sources of a room in thousands of small ways, one at a time, and runs the tests that reach the
// change: one that no test notices has survived. Without names all rooms are tried, `--share` tries a part of the
// mutants. The survivors are printed and lie in out/mutations/ROOM.json; a score under 85 % fails.
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { inRoot } from '../../scripts/paths.mjs'
import { setUp } from '../../scripts/setup.mjs'
import { main, Stop } from '../../scripts/steps.mjs'
import { ROOMS } from './rooms.mjs'

const LOWEST_SCORE = 85

main(import.meta.url, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      share: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
    },
  })
  const unknown = positionals.find((name) => !Object.hasOwn(ROOMS, name))
  if (unknown) throw new Stop(`No room called "${unknown}": they are ${Object.keys(ROOMS).join(', ')}.`)
  await setUp()
  process.chdir(inRoot())
  process.env.MUTATION_SHARE = values.share
  for (const name of positionals.length > 0 ? positionals : Object.keys(ROOMS)) {
    const { mutate, tests } = ROOMS[name]
    await new Stryker({
      mutate: values.only ? [values.only] : mutate,
      testFiles: tests,
      plugins: ['@stryker-mutator/*', inRoot('test', 'mutation', 'sample.mjs')],
      ignorers: ['sample'],
      testRunner: 'vitest',
      vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
      concurrency: Number(values.workers),
      // What is not text is used where it lies.
      ignorePatterns: [
        'build',
        'build-sanitize',
        'dist',
        'docs',
        'out',
        'vendor',
        '.models',
        '.cache',
        '*.tgz',
      ],
      buildCommand: `node ${inRoot('test', 'mutation', 'link.mjs')}`,
      tempDirName: '.cache/mutations',
      timeoutMS: 10_000, // of a mutant that never ends
      // Mutants that act while a module is loaded mostly make that fail, which the runner takes for survival.
      ignoreStatic: true,
      disableTypeChecks: false,
      allowConsoleColors: false,
      reporters: ['clear-text', 'progress-append-only', 'json'],
      clearTextReporter: { allowColor: false, reportTests: false, reportScoreTable: true },
      jsonReporter: { fileName: `out/mutations/${name}.json` },
      thresholds: { high: 95, low: LOWEST_SCORE, break: LOWEST_SCORE },
    }).runMutationTest()
  }
})
