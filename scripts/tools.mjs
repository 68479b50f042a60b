// Which command installs a missing tool here.

import { which } from './process.mjs'
import { Stop } from './steps.mjs'

const PACKAGES = {
  git: { apt: 'git', dnf: 'git', pacman: 'git', apk: 'git', zypper: 'git', brew: 'git', winget: 'Git.Git' },
  cmake: {
    apt: 'cmake',
    dnf: 'cmake',
    pacman: 'cmake',
    apk: 'cmake',
    zypper: 'cmake',
    brew: 'cmake',
    winget: 'Kitware.CMake',
  },
  'c++': {
    apt: 'g++',
    dnf: 'gcc-c++',
    pacman: 'gcc',
    apk: 'g++',
    zypper: 'gcc-c++',
    winget:
      'Microsoft.VisualStudio.2022.BuildTools --override "--wait --passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"',
  },
  clang: {
    apt: 'clang libclang-rt-dev',
    dnf: 'clang compiler-rt',
    pacman: 'clang compiler-rt',
    apk: 'clang compiler-rt',
    zypper: 'clang',
    brew: 'llvm',
    winget: 'LLVM.LLVM',
  },
  ninja: {
    apt: 'ninja-build',
    dnf: 'ninja-build',
    pacman: 'ninja',
    apk: 'samurai',
    zypper: 'ninja',
    brew: 'ninja',
    winget: 'Ninja-build.Ninja',
  },
  python: {
    apt: 'python3-pip',
    dnf: 'python3-pip',
    pacman: 'python-pip',
    apk: 'py3-pip',
    zypper: 'python3-pip',
    brew: 'python',
    winget: 'Python.Python.3.12',
  },
}

const MANAGERS = [
  { name: 'apt', program: 'apt-get', install: 'apt-get install -y' },
  { name: 'dnf', program: 'dnf', install: 'dnf install -y' },
  { name: 'pacman', program: 'pacman', install: 'pacman -S --noconfirm' },
  { name: 'apk', program: 'apk', install: 'apk add' },
  { name: 'zypper', program: 'zypper', install: 'zypper install -y' },
]

/** e.g. `sudo apt-get install -y cmake` */
export function installCommand(
  tool,
  { platform = process.platform, find = which, uid = process.getuid?.() } = {},
) {
  const names = PACKAGES[tool]
  if (platform === 'darwin') return names.brew ? `brew install ${names.brew}` : 'xcode-select --install'
  if (platform === 'win32') return `winget install ${names.winget}`
  const manager = MANAGERS.find(({ program }) => find(program) !== undefined)
  if (manager === undefined) return `your system's package manager (package "${names.apt}")`
  return `${uid === 0 ? '' : 'sudo '}${manager.install} ${names[manager.name]}`
}

/** The full path of one of `programs`, or a `Stop` that names the tool and the command that installs it. */
export function need(tool, what, programs) {
  for (const program of programs) {
    const path = which(program)
    if (path !== undefined) return path
  }
  throw new Stop(
    `${what} is missing (looked for ${programs.join(', ')} on the PATH). Install it with:\n\n  ${installCommand(tool)}\n\nand run the same command again.`,
  )
}
