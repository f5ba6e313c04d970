import { setTimeout as delay } from 'node:timers/promises'
import { residentBytes, startMeter } from '../measure.js'
import { Client } from './client.js'
import { assemble, roomName, until } from './crowd.js'
import { Ledger } from './ledger.js'
import { pacing } from './pacing.js'

const WARM_UP = 2

/** Milliseconds between two looks at the server's memory, and for what is under way at the end. */
const INTERVAL = 50
const DRAIN = 3000

/** A ledger that lets the server cut one client off. */
class Tolerant extends Ledger {
  stalled = null
  cutOff = false

  closed (client, reason) {
    if (client === this.stalled) this.cutOff = true
    else super.closed(client, reason)
  }
}

/**
 * One receiver stops to read while a sender goes on: does memory stay bounded, and do the others notice? Compared with
 * the same traffic for as long before, when it still read: what a server takes to become warm is no reader's fault.
 */
export async function slow ({ scenario, port, dialect, pid }) {
  const { readers, bytes, rate, seconds } = scenario
  const paceMaker = pacing({ kind: 'rate', rate }, 1, 2 * seconds + WARM_UP + 1)
  const ledger = new Tolerant({ bytes, capacity: paceMaker.capacity, onComplete: () => {} })
  const clients = Array.from({ length: readers + 2 }, (_, slot) => {
    return new Client({ port, dialect, inbox: ledger, group: 0, slot, room: roomName(0) })
  })
  await assemble(clients, ledger)
  const stalled = clients.at(-1)
  ledger.stalled = stalled
  clients[0].prepare(roomName(0), bytes)
  const senders = ledger.enrol(clients, 1, [stalled])

  paceMaker.start(ledger, senders)
  await delay(WARM_UP * 1000)
  const before = await observe(ledger, pid, seconds)
  stalled.stall()
  const stopMeter = startMeter(pid)
  const during = await observe(ledger, pid, seconds)
  const usage = stopMeter()
  paceMaker.stop()
  await until(() => ledger.outstanding() === 0, DRAIN)
  ledger.faults.undelivered += ledger.outstanding()

  // It reads what there is; that too must be in order. Then it sees whether it still belongs.
  stalled.resume()
  await until(() => ledger.cutOff || ledger.received(stalled) === ledger.sent, DRAIN)

  return {
    faults: ledger.faults,
    figures: {
      rssGrowth: before.peak === null ? null : Math.max(0, during.peak - before.peak),
      cutOff: ledger.cutOff,
      p50: during.latencies.quantile(0.5),
      p99: during.latencies.quantile(0.99),
      p99Ratio: during.latencies.quantile(0.99) / before.latencies.quantile(0.99),
      serverShare: usage.serverCpu === null ? null : usage.serverCpu / usage.elapsed
    }
  }
}

/** The most memory that the server takes in that time, and the latencies of what is sent in it. */
async function observe (ledger, pid, seconds) {
  ledger.startMeasuring()
  let peak = residentBytes(pid)
  for (let waited = 0; waited < seconds * 1000; waited += INTERVAL) {
    await delay(INTERVAL)
    if (peak !== null) peak = Math.max(peak, residentBytes(pid))
  }
  ledger.stopMeasuring()
  return { peak, latencies: ledger.latencies }
}
