import { closeSync, openSync, readSync } from 'node:fs'
import { codeOf, messageOf } from '../core/errors.ts'

/** What was tried, and how it failed. */
export type LoadFailure = {
  readonly what: string
  readonly error: unknown
  /** The addon's file, where one was tried. */
  readonly file?: string | undefined
}

const HERE = `${process.platform}-${process.arch}`
/** Kinds of processors by their numbers in ELF files. */
const ELF_MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
}
/** The same in Mach-O files and in Windows' own. */
const MACH_MACHINES: Readonly<Record<number, string>> = { 16777223: 'x64', 16777228: 'arm64' }
const PE_MACHINES: Readonly<Record<number, string>> = { 34404: 'x64', 43620: 'arm64', 332: 'ia32' }

/** What the system's loader says where a binary does not fit, and the one thing to do about it. */
const HINTS: readonly (readonly [reason: RegExp, hint: () => string])[] = [
  [/GLIBC_|GLIBCXX_|CXXABI_/, olderLibrary],
  [
    /ld-musl|libc\.musl|fcntl64: symbol not found|Error relocating/,
    () =>
      isMusl()
        ? 'The addon was built for glibc, and this system has musl (as Alpine does): build it on this system.'
        : 'The addon was built for musl, another C library than this system has (glibc): install the package for glibc, or build it on this system.',
  ],
  [/ERR_DLOPEN_DISABLED|no-addons/, withoutAddons],
  [
    /ERR_ACCESS_DENIED/,
    () => "Node.js' permission model does not let it be read: add --allow-fs-read for its folder.",
  ],
  [
    /did not self-register|file too short|invalid ELF header|not a valid Win32|truncated/,
    () => 'The file is damaged: install or build it again.',
  ],
  [
    /wrong ELF class|incompatible architecture|Exec format error/,
    () => 'The file was built for another processor: install or build it again on this machine.',
  ],
]

/** What to do about the failures, one line for each kind. */
export function hintsFor(failures: readonly LoadFailure[]): string[] {
  const foreign = failures.flatMap(({ file }) => (file === undefined ? [] : foreignBinary(file)))
  if (foreign.length > 0) return foreign
  const reasons = failures.map(({ error }) => `${codeOf(error) ?? ''} ${messageOf(error)}`).join('\n')
  return HINTS.filter(([reason]) => reason.test(reasons)).map(([, hint]) => hint())
}

function foreignBinary(file: string): string[] {
  const made = platformOf(file)
  if (made === undefined || made === HERE) return []
  return [`The file was built for ${made}, and this is ${HERE}: install or build it again on this machine.`]
}

/** `linux-arm64`, for example; `undefined` where the file's first bytes do not tell. */
function platformOf(file: string): string | undefined {
  const head = Buffer.alloc(4096)
  try {
    const opened = openSync(file, 'r')
    readSync(opened, head, 0, head.length, 0)
    closeSync(opened)
  } catch {
    return undefined
  }
  const named = (platform: string, arch: string | undefined) => (arch ? `${platform}-${arch}` : undefined)
  if (head.toString('latin1', 0, 4) === '\x7fELF') {
    const os = process.platform === 'darwin' || process.platform === 'win32' ? 'linux' : process.platform
    return named(os, ELF_MACHINES[head.readUInt16LE(18)])
  }
  if (head.readUInt32LE(0) === 0xfeedfacf) return named('darwin', MACH_MACHINES[head.readUInt32LE(4)])
  if (head.toString('latin1', 0, 2) !== 'MZ') return undefined
  const at = head.readUInt32LE(0x3c)
  return at + 6 <= head.length ? named('win32', PE_MACHINES[head.readUInt16LE(at + 4)]) : undefined
}

type SystemReport = { readonly header?: { readonly glibcVersionRuntime?: string } }

/** Of glibc; `undefined` where this is another C library. */
const glibcVersion = () =>
  (process.report?.getReport() as SystemReport | undefined)?.header?.glibcVersionRuntime

const isMusl = () => process.platform === 'linux' && glibcVersion() === undefined

function olderLibrary(): string {
  if (isMusl())
    return 'The addon was built for glibc, another C library than this system has (musl): build it on this system.'
  const version = glibcVersion()
  return `The addon was built for newer libraries than this system has${version ? ` (glibc ${version})` : ''}: build it on this system, or use a newer one.`
}

function withoutAddons(): string {
  return 'permission' in process
    ? "Node.js' permission model forbids addons: add --allow-addons."
    : 'Run Node.js without --no-addons.'
}
