import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { residentBytes } from '../measure.js'
import { start, stop } from '../processes.js'
import { newcomers, Pair } from './honest.js'
import { mebibytes, median, milliseconds, scrape, startServer, watchMemory } from './server.js'

const CROWD = fileURLToPath(new URL('crowd.js', import.meta.url))

/**
 * Bytes that one connection may cost which has not authenticated, and that the server may need to be busy at all. One
 * that stays costs 8 KiB; in a flood V8 holds several times as much of those that were ended, before it collects them.
 */
const EACH = 48 * 1024
const BUSY = 32 * 2 ** 20

/** Milliseconds of quiet to compare with, and for the server to tidy up. */
const QUIET = 3000
const TIDY = 3000

/** Connections that never authenticate: what do they cost, and do those who do notice? */
export async function flood ({ connections, batch, limit }) {
  const server = await startServer({ SYMPLE_MAX_UNAUTHENTICATED: String(limit) })
  try {
    const pair = new Pair()
    await pair.enter(server.port)
    await pair.roundTrips(delay(QUIET / 3))
    const quiet = await pair.roundTrips(delay(QUIET))
    const before = residentBytes(server.pid)
    const stopWatch = watchMemory(server)

    const crowd = start('load', [process.execPath, CROWD, server.port, connections, batch].map(String), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    const opened = once(crowd, 'message')
    const [busy, came, [{ seconds, answered }]] = await Promise.all([
      pair.roundTrips(opened), newcomers(server.port, opened), opened
    ])
    const metrics = await scrape(server)
    const most = stopWatch()
    await stop(crowd)
    await delay(TIDY)
    const after = residentBytes(server.pid)
    const left = await scrape(server)
    const later = await pair.roundTrips(delay(QUIET / 3))
    pair.leave()

    const silent = metrics.symple_open_connections - metrics.symple_peers
    const bound = Math.min(limit, connections) * EACH + BUSY
    const ratio = median(busy) / median(quiet)
    return [
      { what: 'upgraded', value: `${answered} in ${seconds.toFixed(1)} s`, ok: answered === connections },
      { what: `there at the end, of ${limit}`, value: silent, ok: silent <= limit },
      { what: `growth of memory, of ${mebibytes(bound)}`, value: mebibytes(most - before), ok: most - before <= bound },
      { what: 'of that when they were gone', value: mebibytes(after - before) },
      { what: 'round trip when it was quiet, median', value: milliseconds(median(quiet)) },
      { what: 'round trip in the flood, median', value: `${milliseconds(median(busy))}, ${ratio.toFixed(2)}×`, ok: ratio <= 2 },
      { what: 'round trip afterwards, median', value: milliseconds(median(later)) },
      { what: 'came in meanwhile, median time', value: `${came.times.length}, ${milliseconds(median(came.times))}` },
      { what: 'were kept out', value: came.keptOut, ok: came.keptOut === 0 },
      { what: 'left in the end', value: left.symple_open_connections, ok: left.symple_open_connections === 2 }
    ]
  } finally {
    await stop(server.child)
  }
}
