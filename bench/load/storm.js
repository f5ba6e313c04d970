import { perCpuSecond, startMeter } from '../measure.js'
import { Client } from './client.js'
import { each, pairs, roomName, until } from './crowd.js'
import { Inbox } from './faults.js'
import { slotAt } from './stamp.js'

const TIMEOUT = 40_000

const ONLINE = Buffer.from('"online":')
const T = 0x74

/** Who has heard what of whom: each must hear of each other once, and of nobody else. */
class Roster extends Inbox {
  online = 0
  offline = 0
  lastAt = 0
  #seen

  constructor (peers) {
    super()
    this.#seen = Array.from({ length: peers }, () => new Uint8Array(peers))
  }

  presence (client, buffer, at, end, arrival) {
    const from = slotAt(buffer, at)
    this.lastAt = arrival
    if (from === client.slot) this.faults.echoed++
    const mark = buffer.indexOf(ONLINE, at)
    const isOnline = mark >= 0 && mark < end && buffer[mark + ONLINE.length] === T
    const seen = this.#seen[client.slot]
    if (seen[from] === (isOnline ? 1 : 0)) this.faults.duplicated++
    seen[from] = isOnline ? 1 : 0
    if (isOnline) this.online++
    else this.offline++
  }
}

/** All come at once, as after a restart of the server; then all but one go at once. */
export async function storm ({ scenario, port, dialect, pid }) {
  const roster = new Roster(scenario.peers)
  const clients = Array.from({ length: scenario.peers }, (_, slot) => {
    return new Client({ port, dialect, inbox: roster, group: 0, slot, room: roomName(0) })
  })
  await each(clients, client => client.connect())

  const expected = pairs(clients)
  const stopMeter = startMeter(pid)
  const startedAt = performance.now()
  await each(clients, client => client.authenticate(), clients.length)
  const welcomed = (performance.now() - startedAt) / 1000
  await until(() => roster.online >= expected, TIMEOUT)
  const usage = stopMeter()
  const settled = (roster.lastAt - startedAt) / 1000

  const [witness, ...others] = clients
  const leftAt = performance.now()
  for (const client of others) client.leave()
  await until(() => roster.offline >= others.length, TIMEOUT)
  const gone = (roster.lastAt - leftAt) / 1000
  witness.leave()

  roster.faults.undelivered += expected - roster.online + others.length - roster.offline
  return {
    faults: roster.faults,
    figures: {
      perCpuSecond: perCpuSecond(roster.online, usage),
      perSecond: roster.online / settled,
      snapshotFrames: roster.online,
      welcomed,
      settled,
      gone,
      loadShare: usage.loadShare
    }
  }
}
