import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { MemoryBackplane, MemoryNetwork } from '../../src/backplane/memory.js'
import type { MemberRecord } from '../../src/core/backplane.js'
import type { Peer } from '../../src/core/peer.js'
import type { Session } from '../../src/core/session.js'
import { Symple } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'
import type { PeerObject } from '../helper.js'
import { seed } from '../seed.js'
import { send } from './service.js'

const ROOMS = ['r1', 'r2', 'r3']
/** Two on each of three nodes. */
const USERS = ['alice', 'bob', 'carol', 'alice', 'dave', 'erin']

async function turns (count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => { setImmediate(resolve) })
}

/** Turns that reads and packets take, in cycles. */
interface Delays { readonly reads: readonly number[], readonly packets: readonly number[] }

/** A backplane that takes its time to find out who is in a place, and to deliver, though in order. */
class SlowBackplane extends MemoryBackplane {
  readonly #delays: Delays
  readonly #sent = new Map<string, Promise<void>>()
  #reads = 0
  #packets = 0

  constructor (network: MemoryNetwork, node: string, delays: Delays) {
    super(network, node)
    this.#delays = delays
  }

  override post (node: string, packet: Buffer): boolean {
    const delay = this.#delays.packets[this.#packets++ % this.#delays.packets.length] ?? 0
    const before = this.#sent.get(node) ?? Promise.resolve()
    this.#sent.set(node, Promise.all([before, turns(delay)]).then(() => { super.post(node, packet) }))
    return true
  }

  override read (place: string): MemberRecord[] | undefined {
    const delay = this.#delays.reads[this.#reads++ % this.#delays.reads.length] ?? 0
    const read = () => super.read(place)
    // The interface has both.
    return delay === 0 ? read() : turns(delay).then(read) as unknown as MemberRecord[]
  }
}

/** One client after another, of one user on one node. */
class Player {
  readonly #symple: Symple
  readonly #user: string
  connection!: FakeConnection
  session!: Session

  constructor (symple: Symple, user: string) {
    this.#symple = symple
    this.#user = user
    this.#open()
    this.close()
  }

  /** What it is to others; null: it is not there. */
  get seen (): Peer | null {
    return this.session.peer
  }

  /** Both are there. */
  sees ({ seen: other }: Player): boolean {
    return [...this.seen!.rooms.keys()].some(({ personal, name }) =>
      [...other!.rooms.keys()].some(room => room.personal === personal && room.name === name))
  }

  #open (): void {
    this.connection = new FakeConnection()
    this.session = this.#symple.open(this.connection, { host: '127.0.0.1' })
  }

  enter (rooms: readonly string[]): void {
    this.#open()
    this.authenticate(rooms)
  }

  close (): void {
    this.connection.open = false
    this.session.closed(1006)
  }

  authenticate (rooms: readonly string[]): void {
    send(this.session, { type: 'auth', user: this.#user, token: rooms.join() })
  }

  /** What it believes of others; fails where it is told what can't be. */
  roster (): Record<string, PeerObject> {
    const roster: Record<string, PeerObject> = {}
    for (const { type, data } of this.connection.frames) {
      if (type !== 'presence') continue
      const peer = data as PeerObject
      if (peer.online) assert.notDeepEqual(roster[peer.id], peer, 'no online twice')
      if (peer.online) roster[peer.id] = peer
      else assert.ok(peer.id in roster, 'no offline for one who is not there')
      if (!peer.online) delete roster[peer.id]
    }
    return roster
  }
}

/** What happens, in which rooms, on whose request where the application asks, and how many turns later what follows. */
interface Step { who: number, what: typeof ACTIONS[number], rooms: string[], at: number, pause: number }

const ACTIONS = ['refresh', 'refresh', 'join', 'leave', 'have join', 'have leave', 'disconnect', 'close', 'close'] as const

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(USERS.length - 1),
  what: fc.constantFrom(...ACTIONS),
  rooms: fc.subarray(ROOMS),
  at: fc.nat(2),
  pause: fc.nat(4)
})

const take = (who: number, what: Step['what'], rooms: string[], pause: number): Step => ({ who, what, rooms, at: 0, pause })

/** One goes while it is moved: what its node has read for it is out of date by the time that another comes. */
const goneWhileMoved = [
  take(1, 'join', ['r1', 'r2'], 9),
  take(0, 'join', ['r1'], 9),
  take(0, 'refresh', ['r1', 'r2', 'r3'], 9),
  take(0, 'close', [], 9),
  take(4, 'join', ['r2'], 9),
  take(3, 'join', ['r2'], 9)
]

/** A node leaves a room and comes back before it has what another told it while it was there. */
const overtaken = [
  take(1, 'join', ['r1'], 9),
  take(2, 'join', ['r1'], 9),
  take(1, 'close', [], 1),
  take(5, 'join', ['r1'], 1),
  take(5, 'close', [], 0),
  take(2, 'close', [], 0),
  take(4, 'join', ['r1'], 0)
]

t.test('keeps presence exact on nodes that are slow to find out who is where, whatever comes in between', async () => {
  const some = fc.array(fc.nat(9), { minLength: 1, maxLength: 12 })
  const delays = fc.record({ reads: some, packets: some })
  const examples: Array<[Step[], Delays]> = [
    [goneWhileMoved, { reads: [0, 0, 0, 60, 0, 0, 0], packets: [0] }], [overtaken, { reads: [0], packets: [0] }]
  ]
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), delays, async (steps, delays) => {
    const network = new MemoryNetwork()
    const nodes = ['1111111111', '2222222222', '3333333333'].map(node => new Symple({
      backplane: new SlowBackplane(network, node, delays),
      authenticator: ({ user, token }) => ({ user, name: undefined, rooms: token!.split(',').filter(Boolean), fixed: {} }),
      now: () => 0,
      limits: { refreshInterval: 0, rateLimit: 0, presenceRate: 0 }
    }))
    for (const symple of nodes) await symple.start()
    const players = USERS.map((user, i) => new Player(nodes[i % 3]!, user))
    const calls: Array<Promise<unknown>> = []
    for (const step of steps) {
      calls.push(...act(players[step.who]!, nodes[step.at]!, step))
      await turns(step.pause)
    }
    await Promise.all(calls)
    await rest(nodes)
    const present = players.filter(({ seen }) => seen !== null)
    for (const player of present) {
      const visible = present.filter(other => other !== player && player.sees(other))
      const wanted = Object.fromEntries(visible.map(({ seen }) => [seen!.id, seen!.describe(true)]))
      assert.deepEqual(player.roster(), wanted, `what ${player.seen!.address} sees`)
    }
    for (const player of players) player.close()
    await rest(nodes)
    for (const { gauges: { remotes, users, rooms } } of nodes) {
      assert.deepEqual({ remotes, users, rooms }, { remotes: 0, users: 0, rooms: 0 }, 'nothing is left')
    }
    for (const symple of nodes) await symple.close()
  }), { seed, numRuns: 100, examples })
})

/** @param asked the node that the application asks @returns what it waits for */
function act (player: Player, asked: Symple, { what, rooms }: Step): Array<Promise<unknown>> {
  const { seen, session, connection } = player
  if (!connection.open) player.enter(rooms)
  else if (what === 'refresh') player.authenticate(rooms)
  else if (what === 'close') player.close()
  else if (what === 'join' || what === 'leave') for (const room of rooms) send(session, { type: what, room })
  else if (seen !== null && what === 'disconnect') return [asked.disconnect(seen.id)]
  else if (seen !== null) return rooms.map(room => asked[what === 'have join' ? 'join' : 'leave'](seen.id, room))
  return []
}

/** Waits until nodes have nothing more to say to each other. */
async function rest (nodes: readonly Symple[]): Promise<void> {
  const said = () => nodes.map(({ stats }) => stats.cluster.sent + stats.cluster.received).join()
  let before: string
  do {
    before = said()
    // Longer than any read.
    await turns(80)
  } while (said() !== before)
}
