import { defineConfig } from 'tsup'

// Run by scripts/dist.mjs, which adds the ESM entry.
export default defineConfig({
  entry: ['src/index.ts'],
  format: ['cjs'],
  dts: true,
  clean: true,
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  // The addon's platform packages stay literal requires: they are looked for at run time.
  external: [/^@gpt4all-ts\//],
  esbuildOptions(options) {
    options.define = { ...options.define, 'import.meta.dirname': '__dirname' }
  },
})
