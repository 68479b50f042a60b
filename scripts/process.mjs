// Running other programs: found on the PATH, watched line by line, ended with all their children.
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join } from 'node:path'

const windows = process.platform === 'win32'
const TAIL_LINES = 400

/** The full path of a program, or undefined. A path is taken as it is. */
export function which(name, env = process.env) {
  if (isAbsolute(name)) return isExecutable(name) ? name : undefined
  const endings = windows ? (env.PATHEXT ?? '.EXE;.CMD;.BAT').split(';') : ['']
  for (const folder of (env.PATH ?? env.Path ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder, name + ending)
      if (folder !== '' && isExecutable(path)) return path
    }
  }
  return undefined
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Runs a program and resolves with `{ code, output, stalled }`; never rejects for its failure (a program that
 * cannot be started has code 127). `onLine` sees each line of both its streams, carriage returns ending lines
 * as well. With `quietLimit` it is ended when it says nothing for so many milliseconds: a slow download that
 * moves may finish, a connection that never comes about may not. `inherit` gives it our terminal instead.
 */
export function run(command, args, { cwd, env = process.env, onLine, quietLimit, inherit = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      // A group of its own, so that git's and cmake's children end with it.
      detached: !windows && !inherit,
      stdio: inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      shell: windows && /\.(cmd|bat)$/i.test(command),
    })
    const tail = []
    let stalled = false
    let timer
    const giveUp = () => {
      stalled = true
      end(child)
    }
    const watch = () => {
      clearTimeout(timer)
      if (quietLimit !== undefined) timer = setTimeout(giveUp, quietLimit)
    }
    for (const stream of inherit ? [] : [child.stdout, child.stderr]) {
      readLines(stream, watch, (line) => {
        tail.push(line)
        if (tail.length > TAIL_LINES) tail.shift()
        onLine?.(line)
      })
    }
    const interrupt = () => {
      if (inherit) return // the terminal told the child as well
      end(child)
      process.exit(130)
    }
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    const finish = (code, error) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
      if (error) tail.push(error.message)
      resolve({ code, output: tail.join('\n'), stalled })
    }
    watch()
    child.once('error', (error) => finish(127, error))
    child.once('close', (code) => finish(code ?? 1))
  })
}

function readLines(stream, onData, onLine) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text) => {
    onData()
    const lines = (rest + text).split(/\r\n|\n|\r/)
    rest = lines.pop()
    for (const line of lines) if (line.trim() !== '') onLine(line)
  })
  stream.on('end', () => rest.trim() !== '' && onLine(rest))
}

function end(child) {
  try {
    if (windows) spawn('taskkill', ['/pid', String(child.pid), '/T', '/F'])
    else process.kill(-child.pid, 'SIGTERM')
  } catch {
    // It ended by itself in between.
  }
}

/** Runs a program that answers in a line or so: its output, or undefined where it fails. */
export async function ask(command, args, options) {
  const { code, output } = await run(command, args, options)
  return code === 0 ? output.trim() : undefined
}

/** npm as `[program, first arguments]`: the one that started us, or the one beside this Node, or the PATH's. */
export function npm() {
  const beside = join(dirname(process.execPath), windows ? '.' : '../lib', 'node_modules/npm/bin/npm-cli.js')
  for (const script of [process.env.npm_execpath, beside]) {
    if (script?.endsWith('npm-cli.js') && existsSync(script)) return [process.execPath, [script]]
  }
  return [which('npm') ?? 'npm', []]
}

/** Runs npm; see {@link run}. */
export function runNpm(args, options) {
  const [program, first] = npm()
  return run(program, [...first, ...args], options)
}

/** The line of npm's or git's output that says most about a failure. */
export function reason({ output, stalled }) {
  if (stalled) return 'no answer'
  const lines = output
    .split('\n')
    .filter((line) => !/^npm error (A complete log|code|errno|syscall)/.test(line))
  const telling =
    lines.find((line) => /\b(fatal|error|E[A-Z]{4,})\b/i.test(line)) ?? lines.at(-1) ?? 'no output'
  return telling
    .replace(/^(npm error|fatal:|error:)\s*/i, '')
    .trim()
    .slice(0, 200)
}
