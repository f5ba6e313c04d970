import { setTimeout as delay } from 'node:timers/promises'
import { residentBytes } from '../measure.js'
import { stop } from '../processes.js'
import { Client } from '../load/client.js'
import { assemble, roomName, until } from '../load/crowd.js'
import { dialects } from '../load/dialects.js'
import { Ledger } from '../load/ledger.js'
import { pacing } from '../load/pacing.js'
import { enter } from './honest.js'
import { mebibytes, milliseconds, scrape, startServer, watchMemory } from './server.js'

/** Messages a second to the room, and bytes of each. */
const RATE = 50
const BYTES = 500

/** Milliseconds between two messages to the one alone, and bytes of each: the kernel takes some 40 MB of them first. */
const PUSH_INTERVAL = 10
const PUSH_BYTES = 60_000

/** Seconds to warm up, to wait for the cut at most, and to look on afterwards. */
const WARM_UP = 3
const PATIENCE = 90
const AFTERWARDS = 3

/** What the outbox may hold beyond the limit: what one turn of the event loop adds. */
const SLACK = 256 * 1024
const LIMIT = 4 * 2 ** 20

const CUT = 'symple_limits_exceeded_total{limit="buffered"}'

/** A ledger that lets the server cut one client off. */
class Tolerant extends Ledger {
  stalled = null
  cutOff = false

  closed (client, reason) {
    if (client === this.stalled) this.cutOff = true
    else super.closed(client, reason)
  }

  /** It alone sees who pushes. */
  unexpected (client, text) {
    if (client !== this.stalled) super.unexpected(client, text)
  }
}

/** One of many in a busy room does not read: is it cut, it alone, and at its limit? */
export async function stuck ({ readers }) {
  const server = await startServer({ SYMPLE_MAX_BUFFERED: String(LIMIT) })
  try {
    const pace = pacing({ kind: 'rate', rate: RATE }, 1, PATIENCE + WARM_UP + AFTERWARDS)
    const ledger = new Tolerant({ bytes: BYTES, capacity: pace.capacity, onComplete: () => {} })
    const options = { port: server.port, dialect: dialects.symple, inbox: ledger, group: 0, room: roomName(0) }
    const clients = Array.from({ length: readers + 1 }, (_, slot) => new Client({ ...options, slot }))
    await assemble(clients, ledger)
    const one = clients.at(-1)
    ledger.stalled = one
    // Of its user, and in no room: nobody else sees them.
    const pusher = await enter(server.port, one.user, [])
    const sink = await enter(server.port, one.user, [])
    clients[0].prepare(roomName(0), BYTES)
    pace.start(ledger, ledger.enrol(clients, 1, [one]))
    const stopWarmUp = push(pusher, sink.peer.id)
    await delay(WARM_UP * 1000)
    stopWarmUp()

    const before = residentBytes(server.pid)
    const stopWatch = watchMemory(server)
    ledger.startMeasuring()
    one.stall()
    const stopPush = push(pusher, one.id)
    let metrics
    const began = performance.now()
    do {
      await delay(250)
      metrics = await scrape(server)
    } while (metrics[CUT] === 0 && performance.now() - began < PATIENCE * 1000)
    stopPush()
    const took = (performance.now() - began) / 1000
    const most = stopWatch()
    await delay(AFTERWARDS * 1000)
    ledger.stopMeasuring()
    pace.stop()
    await until(() => ledger.outstanding() === 0, 3000)
    ledger.faults.undelivered += ledger.outstanding()
    await delay(AFTERWARDS * 1000)
    const after = residentBytes(server.pid)
    metrics = await scrape(server)

    const cut = metrics[CUT]
    const [, buffered = '0'] = /"buffered":(\d+),[^\n]*"slow consumer"/.exec(server.output) ?? []
    const faults = ledger.faults.describe()
    const latencies = [0.5, 0.99].map(share => ledger.latencies.quantile(share))
    for (const client of clients) client.leave()
    for (const ws of [pusher, sink]) ws.terminate()
    return [
      { what: 'cut', value: `${cut}, after ${took.toFixed(1)} s`, ok: cut === 1 },
      { what: 'others still there', value: metrics.symple_peers, ok: metrics.symple_peers === readers + 2 },
      { what: `bytes that waited, of ${LIMIT}`, value: buffered, ok: Math.abs(Number(buffered) - LIMIT) <= SLACK },
      { what: 'faults in what the others got', value: faults ?? 'none', ok: faults === null },
      { what: 'latency of the others, p50 and p99', value: latencies.map(milliseconds).join(', ') },
      { what: 'growth of memory at most', value: mebibytes(most - before), ok: most - before <= 3 * LIMIT },
      { what: 'growth of memory when it was gone', value: mebibytes(after - before), ok: after - before <= LIMIT }
    ]
  } finally {
    await stop(server.child)
  }
}

/** Sends to one peer as fast as its bytes fill the kernel. @returns a function that stops */
function push (ws, to) {
  const text = JSON.stringify({ type: 'message', to, data: 'x'.repeat(PUSH_BYTES) })
  const timer = setInterval(() => { ws.send(text) }, PUSH_INTERVAL)
  return () => { clearInterval(timer) }
}
