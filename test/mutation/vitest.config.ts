import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const main = base.test?.projects?.find(
  (project) => typeof project === 'object' && 'test' in project && project.test?.name === 'main',
)
if (!main) throw new Error('vitest.config.ts has no project called main')

// StrykerJS insists on threads, which cannot change their user or their environment, as some tests do.
const inProcesses = {
  name: 'tests in processes',
  configureVitest: ({ project }: { project: { config: { pool: string } } }) => {
    project.config.pool = 'forks'
  },
}

/** The project `main` alone: StrykerJS runs all that it finds. */
export default defineConfig({
  ...(main as object),
  plugins: [...(main as { plugins: [] }).plugins, inProcesses],
})
