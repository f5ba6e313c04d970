import { setTimeout as delay } from 'node:timers/promises'
import { residentBytes, startMeter } from '../measure.js'
import { Client } from './client.js'
import { assemble, roomName, until } from './crowd.js'
import { Ledger } from './ledger.js'
import { pacing } from './pacing.js'

const WARM_UP = 0.5

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

/** One receiver stops to read while a sender goes on: does memory stay bounded, and do the others notice? */
export async function slow ({ scenario, port, dialect, pid }) {
  const { readers, bytes, rate, seconds } = scenario
  const paceMaker = pacing({ kind: 'rate', rate }, 1, seconds + WARM_UP + 1)
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
  const before = residentBytes(pid)
  const stopMeter = startMeter(pid)
  ledger.startMeasuring()
  stalled.stall()
  let peak = before
  for (let waited = 0; waited < seconds * 1000; waited += INTERVAL) {
    await delay(INTERVAL)
    peak = Math.max(peak, residentBytes(pid))
  }
  ledger.stopMeasuring()
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
      rssGrowth: before === null ? null : peak - before,
      cutOff: ledger.cutOff,
      p50: ledger.latencies.quantile(0.5),
      p99: ledger.latencies.quantile(0.99),
      serverShare: usage.serverCpu === null ? null : usage.serverCpu / usage.elapsed
    }
  }
}
