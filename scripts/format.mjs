// `npm run format` writes TypeScript, JavaScript, JSON (Biome) and C++ (clang-format); `npm run format:check`
// compares the C++, since `npm run lint` compares the rest. Versions of clang-format format differently, so one is
// pinned; it is used from the PATH where that is it, else fetched by pip. Without it C++ is skipped, and that is
// said: formatting must not fail a user's machine.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, pins } from './paths.mjs'
import { ask, run, which } from './process.mjs'
import { main, Stop } from './steps.mjs'

const version = pins['clang-format'].version

main(import.meta.url, async () => {
  const check = process.argv.includes('--check')
  const biome = inRoot('node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const args = [biome, 'check', '--write', '.']
  const script = check ? 0 : (await run(process.execPath, args, { cwd: inRoot(), inherit: true })).code
  const native = await formatNative(check)
  if (script === 0 && native === 0) return
  throw new Stop(check ? 'Not formatted: run `npm run format`.' : 'Some files could not be formatted.')
})

async function formatNative(check) {
  const program = await clangFormat()
  if (program === undefined) {
    process.stderr.write(
      `C++ formatting skipped: clang-format ${version} is not here and pip could not fetch it.\n`,
    )
    return 0
  }
  const all = readdirSync(inRoot('native'), { recursive: true })
  const files = all.filter((name) => /\.(cc|h)$/.test(name))
  const mode = check ? ['--dry-run', '--Werror'] : ['-i']
  const { code } = await run(program, [...mode, ...files], { cwd: inRoot('native'), inherit: true })
  return code
}

async function clangFormat() {
  const onPath = which('clang-format')
  if (onPath && (await ask(onPath, ['--version']))?.includes(` ${version}`)) return onPath
  const folder = inRoot('.cache', `clang-format-${version}`)
  const program = join(
    folder,
    'clang_format',
    'data',
    'bin',
    process.platform === 'win32' ? 'clang-format.exe' : 'clang-format',
  )
  if (existsSync(program)) return program
  const python = which('python3') ?? which('python')
  if (python === undefined) return undefined
  mkdirSync(folder, { recursive: true })
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--target',
    folder,
    `clang-format==${version}`,
  ]
  return (await run(python, args)).code === 0 ? program : undefined
}
