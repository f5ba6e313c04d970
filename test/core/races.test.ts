import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { MemoryBackplane, MemoryNetwork } from '../../src/backplane/memory.js'
import type { Grant } from '../../src/core/auth.js'
import type { MemberRecord } from '../../src/core/backplane.js'
import { Symple } from '../../src/core/symple.js'
import { seed } from '../seed.js'
import { Player } from './lives.js'
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

/**
 * What happens, in which rooms, on whose request where the application asks, whether a token changes what others see,
 * and how many turns later what follows.
 */
interface Step {
  who: number
  what: typeof ACTIONS[number]
  rooms: string[]
  at: number
  changes: boolean
  pause: number
}

const ACTIONS = [
  'refresh', 'refresh', 'join', 'leave', 'have join', 'have leave', 'say', 'say', 'say', 'disconnect', 'close', 'close'
] as const

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(USERS.length - 1),
  what: fc.constantFrom(...ACTIONS),
  rooms: fc.subarray(ROOMS),
  at: fc.nat(2),
  changes: fc.boolean(),
  pause: fc.nat(4)
})

const take = (who: number, what: Step['what'], rooms: string[], pause: number): Step =>
  ({ who, what, rooms, at: 0, changes: true, pause })

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

/** The last one of a node leaves a room, and another comes while that waits for where it goes. */
const followed = [
  take(1, 'join', ['r1'], 9),
  take(0, 'join', ['r1'], 9),
  take(0, 'refresh', ['r2'], 9),
  take(5, 'join', ['r1'], 9),
  take(3, 'join', ['r1'], 9)
]

/** One hears of another's joining before that one knows of all who are there, and speaks there, then elsewhere. */
const overheard = [
  take(0, 'join', ['r1'], 9),
  take(4, 'join', [], 9),
  take(1, 'join', ['r1'], 70),
  take(0, 'join', ['r2'], 9),
  take(1, 'join', ['r2'], 9),
  take(1, 'say', ['r2'], 1),
  take(1, 'say', ['r1'], 9)
]

t.test('keeps presence exact, and each sender\'s order, on nodes that are slow to find out who is where, whatever comes in between', async () => {
  const some = fc.array(fc.nat(9), { minLength: 1, maxLength: 12 })
  const delays = fc.record({ reads: some, packets: some })
  const witnesses = fc.array(fc.tuple(fc.nat(2), fc.constantFrom(...ROOMS)), { maxLength: 3 })
  const examples: Array<[Step[], Delays, Array<[number, string]>]> = [
    [goneWhileMoved, { reads: [0, 0, 0, 60, 0, 0, 0], packets: [0] }, []],
    [overtaken, { reads: [0], packets: [0] }, []],
    [followed, { reads: [0, 0, 60, 0], packets: [0] }, []],
    [overheard, { reads: [0, 0, 60, 0], packets: [0] }, []]
  ]
  const steps = fc.array(step, { minLength: 20, maxLength: 60 })
  await fc.assert(fc.asyncProperty(steps, delays, witnesses, async (steps, delays, witnesses) => {
    const network = new MemoryNetwork()
    const nodes = ['1111111111', '2222222222', '3333333333'].map(node => new Symple({
      backplane: new SlowBackplane(network, node, delays),
      authenticator: ({ user, token }) =>
        ({ user, name: undefined, ...JSON.parse(token!) as Pick<Grant, 'rooms' | 'fixed'> }),
      now: () => 0,
      limits: { refreshInterval: 0, rateLimit: 0, presenceRate: 0 }
    }))
    for (const symple of nodes) await symple.start()
    const players = USERS.map((user, i) => new Player(nodes[i % 3]!, user))
    let looks = 0
    for (const [i, [node, room]] of witnesses.entries()) {
      const player = new Player(nodes[node]!, `witness ${i}`)
      players.push(player)
      player.enter([room], ++looks)
    }
    const calls: Array<Promise<unknown>> = []
    for (const step of steps) {
      calls.push(...act(players[step.who]!, nodes[step.at]!, step, ++looks))
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
    const lives = players.flatMap(({ lives }) => lives)
    const byLook = new Map(lives.flatMap(life => Array.from(life.looks.keys(), look => [look, life])))
    for (const life of lives) {
      life.check(byLook)
      life.checkOrder()
    }
    for (const { gauges: { remotes, users, rooms } } of nodes) {
      assert.deepEqual({ remotes, users, rooms }, { remotes: 0, users: 0, rooms: 0 }, 'nothing is left')
    }
    for (const symple of nodes) await symple.close()
  }), { seed, numRuns: 100, examples })
})

/**
 * @param asked the node that the application asks
 * @param look that no token has had yet
 * @returns what it waits for
 */
function act (player: Player, asked: Symple, { what, rooms, changes }: Step, look: number): Array<Promise<unknown>> {
  const { seen, session, connection, life } = player
  if (!connection.open) player.enter(rooms, look)
  else if (what === 'say') send(session, life.words(rooms))
  else if (what === 'refresh') player.authenticate(rooms, changes ? look : life.look)
  else if (what === 'close') player.close()
  else if (what === 'join' || what === 'leave') {
    life[what](rooms)
    for (const room of rooms) send(session, { type: what, room })
  } else if (seen !== null && what === 'disconnect') return [asked.disconnect(seen.id)]
  else if (seen !== null) {
    life.ask(rooms)
    return rooms.map(room => asked[what === 'have join' ? 'join' : 'leave'](seen.id, room))
  }
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
