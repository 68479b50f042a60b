// `npm test`: sets everything up, then runs the tests. What follows `--` goes to vitest.
//
//   npm test -- test/unit                only what matches
//   npm run test:sanitize                the native and api tests against the sanitized build
//   npm run test:package                 the packed tarballs, installed into empty folders
import { existsSync } from 'node:fs'
import { addonRoom, buildAddon } from './addon.mjs'
import { withLock } from './lock.mjs'
import { inRoot } from './paths.mjs'
import { ask, run } from './process.mjs'
import { setUp } from './setup.mjs'
import { main, Stop, step } from './steps.mjs'

const SANITIZED = ['test/native', 'test/api', 'test/lifecycle']

main(import.meta.url, async () => {
  const args = process.argv.slice(2)
  await setUp()
  const sanitize = args.includes('--sanitize')
  const rest = args.filter((arg) => arg !== '--sanitize')
  process.exitCode = sanitize ? await runSanitized(rest) : await vitest(rest)
})

function vitest(args, env = process.env) {
  const project = args.some((arg) => arg.startsWith('--project')) ? [] : ['--project', 'main']
  const program = inRoot('node_modules', 'vitest', 'vitest.mjs')
  return run(process.execPath, [program, 'run', ...project, ...args], {
    cwd: inRoot(),
    env,
    inherit: true,
  }).then(({ code }) => code)
}

async function runSanitized(args) {
  const room = addonRoom({ sanitize: true })
  await withLock(() => step('sanitized', (report) => buildAddon(room, report)))
  const library = await ask('gcc', ['-print-file-name=libasan.so'])
  if (!library?.startsWith('/')) throw new Stop('libasan is missing: it comes with GCC, on Linux only.')
  const chosen = args.length > 0 ? args : SANITIZED.filter((folder) => existsSync(inRoot(folder)))
  return vitest(chosen, {
    ...process.env,
    GPT4ALL_BINDING: room.file,
    GPT4ALL_SANITIZED: '1',
    LD_PRELOAD: library,
    // V8 keeps what it holds until the process ends, so leaks are counted by RSS tests instead. An allocation that is
    // too large fails as it would without.
    ASAN_OPTIONS: `detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:${process.env.ASAN_OPTIONS ?? ''}`,
    UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:${process.env.UBSAN_OPTIONS ?? ''}`,
  })
}
