import { resolve } from 'node:path'
import { defineConfig } from 'tsup'

// Run by scripts/dist.mjs, which adds the ESM entries. Packages in `dependencies` are required when they are needed;
// one in `devDependencies` that src/ imports is bundled, and then scripts/notices.mjs names it.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    server: 'src/server/index.ts',
    compat: 'src/compat/index.ts',
    'compat-2023': 'src/compat/2023/index.ts',
    cli: 'src/cli/index.ts',
    'engine-host': 'src/runtime/isolated/host/main.ts',
    trial: 'src/loading/trial/main.ts',
  },
  format: ['cjs'],
  dts: {
    entry: {
      index: 'src/index.ts',
      server: 'src/server/index.ts',
      compat: 'src/compat/index.ts',
      'compat-2023': 'src/compat/2023/index.ts',
    },
  },
  clean: true,
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  // The addon's platform packages stay literal requires: they are looked for at run time.
  external: [/^@gpt4all-ts\//],
  esbuildOptions(options) {
    options.loader = { ...options.loader, '.html': 'text' }
    options.define = { ...options.define, 'import.meta.dirname': '__dirname' }
  },
  esbuildPlugins: [
    {
      // A host is a program on top of the library: it uses the same one as everybody else, not a copy inside.
      name: 'hosts use the public index',
      setup(build) {
        const entries = new Map([
          [resolve('src/index.ts'), './index.cjs'],
          [resolve('src/server/index.ts'), './server.cjs'],
        ])
        build.onResolve({ filter: /\/index\.ts$/ }, ({ kind, path, resolveDir }) => {
          const entry = entries.get(resolve(resolveDir, path))
          return kind === 'entry-point' || !entry ? undefined : { path: entry, external: true }
        })
      },
    },
  ],
})
