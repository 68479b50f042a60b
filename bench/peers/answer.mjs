// How a side of the benchmark against other libraries is asked: `node bench/peers/<name>.mjs <job> <options as JSON>`
// answers with JSON in the last line of stdout; what a library says before that is not read.

/** Runs the job that the command line names. */
export async function answer(jobs) {
  const [job, options] = process.argv.slice(2)
  const result = await jobs[job](JSON.parse(options))
  process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit())
}

/**
 * The times of one generation: call `token()` as each comes. `done()` gives `{ firstMs, decode }`, where the prompt's
 * evaluation, out of which the first token comes, is no part of `decode`. A library that tells of no token without a text
 * of its own says itself how many it `made`.
 */
export function stopwatch() {
  const started = performance.now()
  let count = 0
  let first
  return {
    token() {
      first ??= performance.now()
      count++
    },
    done(wanted, made = count) {
      const ended = performance.now()
      if (made !== wanted) throw new Error(`${made} tokens came where ${wanted} were asked for`)
      return { firstMs: first - started, decode: ((made - 1) / (ended - first)) * 1000 }
    },
  }
}
