import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds, perCpuSecond, startMeter } from '../measure.js'
import { Client } from './client.js'
import { assemble, pairs, quiet, roomName } from './crowd.js'
import { Ledger } from './ledger.js'
import { pacing } from './pacing.js'

const WARM_UP = 0.7

/** Milliseconds between two looks at what is under way at the end, and after how many in silence it is given up. */
const TURN = 20
const SILENT_TURNS = 100

/** Messages between peers: to rooms, or from one to another; on one node, or from one to the other. */
export async function traffic ({ scenario, dialect, nodes, receiversAt, redisPid, seconds }) {
  const { groups, senders, receivers, bystanders = 0, bytes, pace } = scenario
  const paceMaker = pacing(pace, groups * senders, seconds + WARM_UP + 1)
  const ledger = new Ledger({
    bytes, capacity: paceMaker.capacity, onComplete: sender => { paceMaker.completed(sender) }
  })
  const gather = (size, group, nodeOf) => Array.from({ length: size }, (_, slot) => {
    const room = roomName(scenario.commonRoom ? 0 : group)
    return new Client({ port: nodeOf(slot).port, dialect, inbox: ledger, group, slot, room })
  })
  const crowd = Array.from({ length: groups }, (_, group) => {
    return gather(senders + receivers, group, slot => nodes[slot < senders ? 0 : receiversAt])
  })
  const others = gather(bystanders, groups, () => nodes.at(-1))
  const clients = [...crowd.flat(), ...others]
  await assemble(clients, ledger)
  if (nodes.length > 1) await quiet(ledger)

  const allSenders = crowd.flatMap(group => {
    for (const [i, client] of group.slice(0, senders).entries()) {
      client.prepare(pace.kind === 'ping-pong' ? group[1 - i].address : client.room, bytes)
    }
    return ledger.enrol(group, senders)
  })
  ledger.enrol(others, 0)

  paceMaker.start(ledger, allSenders)
  await delay(WARM_UP * 1000)
  const { deliveries, sent } = ledger
  const stopMeter = startMeter(...nodes.map(({ pid }) => pid))
  const redisBefore = cpuSeconds(redisPid)
  ledger.startMeasuring()
  await delay(seconds * 1000)
  ledger.stopMeasuring()
  const usage = stopMeter()
  const redisAfter = cpuSeconds(redisPid)
  const delivered = ledger.deliveries - deliveries
  const sentMeanwhile = ledger.sent - sent
  paceMaker.stop()
  const { late } = await settle(ledger, pace)
  // Nobody has come or gone since all knew each other.
  ledger.faults.duplicatedPresence += ledger.presences - pairs(clients)

  return {
    faults: ledger.faults,
    figures: {
      perCpuSecond: perCpuSecond(delivered, usage),
      perSecond: delivered / usage.elapsed,
      late,
      p50: ledger.latencies.quantile(0.5),
      p99: ledger.latencies.quantile(0.99),
      messagesPerSecond: sentMeanwhile / usage.elapsed,
      serverShare: usage.serverCpu === null ? null : usage.serverCpu / usage.elapsed,
      redisShare: redisAfter === null ? null : (redisAfter - redisBefore) / usage.elapsed,
      loadShare: usage.loadShare
    }
  }
}

/**
 * Waits for what is under way. An overloaded server has a backlog at the end of an open loop: what it would still have
 * sent is late. What is missing when a server has fallen silent will never come.
 */
async function settle (ledger, { drainSeconds = Infinity }) {
  const endAt = performance.now() + drainSeconds * 1000
  const { deliveries } = ledger
  let last = deliveries
  let silent = 0
  while (ledger.outstanding() > 0) {
    if (performance.now() > endAt && ledger.deliveries > deliveries) return { late: ledger.outstanding() }
    // Turns are counted, not time: in each, what has come is read. A machine that stands still is not a silent server.
    silent = ledger.deliveries === last ? silent + 1 : 0
    if (silent > SILENT_TURNS) break
    last = ledger.deliveries
    await delay(TURN)
  }
  ledger.faults.undelivered += ledger.outstanding()
  return { late: 0 }
}
