/** The program of an isolated engine's process: see `EngineProcess`, which starts it. */
import type { BirpcReturn } from 'birpc'
import { loadBinding } from '../../../native/binding.ts'
import { connect, Outbox } from '../link.ts'
import type { HostFunctions, ProgramFunctions } from '../wire.ts'
import { Host } from './host.ts'

// This process lives exactly as long as the program, however that ends. No signal from a terminal or a
// service manager ends it earlier: the program may have something to finish.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
try {
  loadBinding().endWithParent()
} catch {
  // without an addon nothing computes here: opening a model reports it
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const outbox: Outbox<unknown> = new Outbox<unknown>(
  (messages) => process.send?.(messages, () => {}), // if the program is gone, this process ends too
  () => {
    const news = host.news()
    if (news) outbox.post({ news })
  },
)
const host: Host = new Host(
  () => program,
  () => outbox.schedule(),
)
const program: BirpcReturn<ProgramFunctions, HostFunctions> = connect<ProgramFunctions, HostFunctions>(
  host.functions,
  outbox,
  (receive) => {
    process.on('message', (messages) => {
      for (const message of messages as unknown[]) receive(message)
    })
  },
)
