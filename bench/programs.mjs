// The programs that are measured, each run in a process of its own: our library (bench/ours.mjs), and llama.cpp's
// own tools.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inRoot } from '../scripts/paths.mjs'

const execute = promisify(execFile)
const MAX_OUTPUT = 2 ** 26

/** Runs one job of bench/ours.mjs in a fresh process; resolves with what it answers. */
export async function ours(job, options, nodeOptions = []) {
  const args = [...nodeOptions, inRoot('bench', 'ours.mjs'), job, JSON.stringify(options)]
  const { stdout } = await execute(process.execPath, args, { cwd: inRoot(), maxBuffer: MAX_OUTPUT })
  return JSON.parse(stdout)
}

/** Tokens per second of each repetition. `tokens` are generated behind `depth` tokens, or `prompt` tokens read. */
export async function llamaBench(tools, { model, threads, prompt = 0, tokens = 0, depth = 0, repetitions }) {
  const counts = ['-p', prompt, '-n', tokens, '-d', depth, '-r', repetitions, '-t', threads].map(String)
  const { stdout } = await execute(tools.bench, ['-m', model, ...counts, '-o', 'json'])
  return JSON.parse(stdout)[0].samples_ts
}

/**
 * What llama-completion writes, greedily: `{ text, kernels }`. Its prompt gets the model's start token and has its
 * special tokens read as such, as in our `generate()`.
 */
export async function llamaCompletion(tools, { model, prompt, flags }) {
  const args = ['-m', model, ...flags, '--no-escape', '-p', prompt]
  const { stdout, stderr } = await execute(tools.completion, args, { maxBuffer: MAX_OUTPUT })
  // It closes with two line feeds of its own.
  return { text: stdout.replace(/\n\n$/, ''), kernels: kernelsOf(stderr) }
}

/** The CPU features a llama.cpp computes with, from the line that it says of itself. */
export function kernelsOf(systemInfo) {
  const cpu = /CPU : (.*)/.exec(systemInfo)?.[1] ?? ''
  const names = [...cpu.matchAll(/(\w+) = 1\b/g)].map(([, name]) => name)
  return names.filter((name) => name !== 'OPENMP').join(' ')
}
