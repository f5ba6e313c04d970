import { perCpuSecond, startMeter } from '../measure.js'
import { roomsOf, each } from './crowd.js'
import { Inbox } from './faults.js'
import { Histogram } from './histogram.js'

/** How fast peers come in: TCP, upgrade, authentication, welcome. */
export async function connect ({ scenario, port, dialect, pid }) {
  const inbox = new Inbox()
  const clients = roomsOf(scenario, { port, dialect, inbox })
  const latencies = new Histogram()

  const stopMeter = startMeter(pid)
  await each(clients, async client => {
    const startedAt = performance.now()
    await client.connect()
    await client.authenticate()
    latencies.add(performance.now() - startedAt)
  })
  const usage = stopMeter()

  return {
    faults: inbox.faults,
    figures: {
      perCpuSecond: perCpuSecond(clients.length, usage),
      perSecond: clients.length / usage.elapsed,
      p50: latencies.quantile(0.5),
      p99: latencies.quantile(0.99),
      loadShare: usage.loadShare
    }
  }
}
