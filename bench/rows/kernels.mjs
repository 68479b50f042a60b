// The rows on our own kernels: what they are worth, all else being the same.
import { engine } from '../engine-programs.mjs'
import { files } from '../models.mjs'
import { ratios } from '../pairs.mjs'
import { median } from '../stats.mjs'

const SHAPE = { prompt: 512, count: 8, nCtx: 1024, begun: 64, tokens: 64 }

export const kernels = files.map(({ suffix, name, of }) => ({
  name: `kernels${suffix}`,
  title: `a prompt of ${SHAPE.prompt} tokens by kernels of our own, ${name} / by ggml's`,
  bar: { atLeast: 1 },
  async measure({ model, models, threads, pairs }) {
    const measured = await engine('kernels', { ...SHAPE, model: of({ model, models }), threads, pairs })
    if (!measured) return { skipped: 'there are none for this processor' }
    const [one, several] = [measured.one, measured.several].map((all) => median(ratios(all)).toFixed(3))
    const note = `decode of one stream ${one}, of ${SHAPE.count} at once ${several}`
    return { values: ratios(measured.prompt), note, measured }
  },
}))
