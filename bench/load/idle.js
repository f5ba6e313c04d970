import { setTimeout as delay } from 'node:timers/promises'
import { residentBytes } from '../measure.js'
import { assemble, roomsOf } from './crowd.js'
import { Inbox } from './faults.js'

/** Milliseconds for the server to tidy up, and between two looks at it. */
const SETTLE = 2000
const INTERVAL = 100

/** What a peer costs that is just there. The server's warm-up is in it: all of it is shared out among the peers. */
export async function idle ({ scenario, port, dialect, pid }) {
  const inbox = new Inbox()
  const before = residentBytes(pid)
  await assemble(roomsOf(scenario, { port, dialect, inbox }), inbox)

  let after = Infinity
  for (let waited = 0; waited < SETTLE; waited += INTERVAL) {
    await delay(INTERVAL)
    after = Math.min(after, residentBytes(pid) ?? Infinity)
  }
  return {
    faults: inbox.faults,
    figures: { bytesPerPeer: before === null ? null : (after - before) / scenario.peers }
  }
}
