import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Models compute on all cores: more test files at once would only make each slower.
const shared = {
  pool: 'forks' as const,
  // Against what hangs only: on a busy machine everything takes longer.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 120_000 } },
}

/** As tsup does: the text of the file. */
const htmlAsText = {
  name: 'html as text',
  transform: (code: string, id: string) =>
    id.endsWith('.html') ? `export default ${JSON.stringify(code)}` : undefined,
}

export default defineConfig({
  test: {
    maxWorkers: Math.min(2, availableParallelism()),
    projects: [
      {
        plugins: [htmlAsText],
        test: {
          ...shared,
          name: 'main',
          include: ['test/**/*.test.{ts,mjs}'],
          exclude: ['test/browser/**', 'test/campaigns/**', 'test/clients/**', 'test/package/**'],
        },
      },
      // Long runs with many cases: `npm run campaign:<name>`, in short form in .ci/run.
      {
        plugins: [htmlAsText],
        test: {
          ...shared,
          name: 'campaigns',
          include: ['test/campaigns/**/*.test.{ts,mjs}'],
          testTimeout: 3_600_000,
        },
      },
      // Needs Chromium: `npm run test:browser`.
      {
        plugins: [htmlAsText],
        test: {
          ...shared,
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
        },
      },
      // Needs programs of others: `npm run test:clients`.
      {
        plugins: [htmlAsText],
        test: {
          ...shared,
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
        },
      },
      // Needs the tarballs of `npm run pack:all`.
      {
        test: {
          ...shared,
          name: 'package',
          include: ['test/package/**/*.test.ts'],
        },
      },
    ],
  },
})
