// Preloaded into the servers of a soak (node --expose-gc --import …/probe.js): says what they hold, when asked.
import { setImmediate as turn } from 'node:timers/promises'

/** What weak references and finalizers hold on to goes after some turns. */
const COLLECTIONS = 6

process.on('message', async () => {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc()
    await turn()
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  const resources = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  process.send({ heapUsed, external, rss, resources })
})
process.channel.unref()
