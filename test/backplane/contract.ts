import type { Test } from 'tap'
import { nodeOf, type Backplane, type BackplaneListener, type MemberRecord } from '../../src/core/backplane.js'
import { eventually } from '../helper.js'

/** What a kind of backplane has to offer to be tested. */
export interface Harness {
  /** A backplane on the network that all of them are on, not started. */
  create (): Promise<Backplane>
  /** Cuts all of them off from each other. */
  cut (): Promise<void>
  /** Ends what `cut` began. */
  mend (): Promise<void>
}

/** A node without anything behind it: it keeps what it is told, and says who it was told to have. */
export class Node implements BackplaneListener {
  readonly packets: Array<[from: string, text: string]> = []
  readonly emissions: string[] = []
  readonly lost: string[] = []
  restorations = 0
  readonly #own = new Map<string, Map<string, string>>()
  readonly #others: Node[]

  /** @param others all nodes of the test */
  constructor (readonly backplane: Backplane, others: Node[]) {
    this.#others = others
    others.push(this)
  }

  get id (): string {
    return this.backplane.node
  }

  received (from: string, packet: Buffer): void {
    this.packets.push([from, String(packet)])
  }

  emitted (payload: Buffer): void {
    this.emissions.push(String(payload))
  }

  gone (node: string): void {
    this.lost.push(node)
  }

  restored (): void {
    this.restorations++
  }

  doubted (): void {}

  members (place: string): MemberRecord[] {
    return Array.from(this.#own.get(place) ?? [], ([id, record]) => ({ id, record }))
  }

  places (): string[] {
    return [...this.#own].filter(([, members]) => members.size > 0).map(([place]) => place)
  }

  nodes (): string[] {
    return this.#others.filter(node => node !== this).map(node => node.id)
  }

  /** Has a member enter, as the core does. @returns its id */
  enter (place: string, name: string, record = '{}'): string {
    const id = `${this.id}-${name}`
    if (!this.#own.has(place)) this.#own.set(place, new Map())
    this.#own.get(place)!.set(id, record)
    this.backplane.enter(place, [{ id, record }])
    return id
  }

  leave (place: string, name: string): void {
    const id = `${this.id}-${name}`
    const members = this.#own.get(place)!
    members.delete(id)
    this.backplane.leave(place, id, members.size === 0)
  }

  /** The ids and records that are read, in order. */
  async read (place: string): Promise<Array<[id: string, record: string]> | undefined> {
    const found = await this.backplane.read(place)
    return found?.map(({ id, record }) => [id, record] as [string, string]).sort(([a], [b]) => a < b ? -1 : 1)
  }

  post (to: Node, text: string): boolean {
    return this.backplane.post(to.id, Buffer.from(text))
  }
}

/** What every backplane has to do. */
export function testBackplane (t: Test, setUp: (t: Test) => Promise<Harness>): void {
  /** Some nodes that have found each other. */
  const start = async (t: Test, count: number) => {
    const harness = await setUp(t)
    const nodes: Node[] = []
    for (let i = 0; i < count; i++) {
      const node = new Node(await harness.create(), nodes)
      t.teardown(() => node.backplane.stop())
      await node.backplane.start(node)
      await eventually(() => node.backplane.connected, 'connected')
    }
    return { harness, nodes }
  }

  t.test('gives each node an id that can begin those of peers', async t => {
    const { nodes } = await start(t, 3)
    t.equal(new Set(nodes.map(node => node.id)).size, 3)
    for (const { id } of nodes) {
      t.equal(nodeOf(`${id}-peer-1`), id)
      t.match(id, /^[^|]{8,}$/)
    }
  })

  t.test('hands packets over once each, in the order of each pair, and to nobody else', async t => {
    const { nodes } = await start(t, 3)
    for (let n = 0; n < 500; n++) {
      for (const from of nodes) {
        for (const to of nodes) {
          if (to !== from) t.equal(from.post(to, `${n}`), true)
        }
      }
      // In one turn of the event loop and over many.
      if (n % 7 === 0) await new Promise(resolve => { setImmediate(resolve) })
    }
    await eventually(() => nodes.every(node => node.packets.length >= 1000), 'all packets')
    const numbers = Array.from({ length: 500 }, (_, n) => `${n}`)
    for (const node of nodes) {
      t.equal(node.packets.length, 1000)
      for (const from of nodes) {
        const texts = node.packets.filter(([id]) => id === from.id).map(([, text]) => text)
        t.strictSame(texts, from === node ? [] : numbers)
      }
      t.match(node.backplane.counts, { published: 1000, received: 1000, gaps: 0 })
    }
  })

  t.test('hands over any bytes', async t => {
    const { nodes: [a, b] } = await start(t, 2)
    const received: Buffer[] = []
    b!.received = (_from, packet) => { received.push(Buffer.from(packet)) }
    const packets = [Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.alloc(300_000, 7)]
    for (const packet of packets) a!.backplane.post(b!.id, packet)
    await eventually(() => received.length === packets.length, 'all packets')
    t.strictSame(received, packets)
  })

  t.test('reads what other nodes have written, as it was written last, and nothing of its own', async t => {
    const { nodes: [a, b, c] } = await start(t, 3)
    const place = 'room:a place: "with" {signs} é'
    const one = a!.enter(place, 'one', '{"version":1}')
    const two = a!.enter(place, 'two', 'é😀\0"')
    const three = b!.enter(place, 'three')
    b!.enter('room:elsewhere', 'three')
    a!.enter(place, 'one', '{"version":2}')
    // What one node has read, another has written.
    await eventually(async () => (await c!.read(place))?.length === 3, 'all are written')
    const expected = [[one, '{"version":2}'], [two, 'é😀\0"'], [three, '{}']].sort(([a], [b]) => a! < b! ? -1 : 1)
    t.strictSame(await c!.read(place), expected)
    t.strictSame(await b!.read(place), expected.filter(([id]) => id !== three))
    t.strictSame(await a!.read(place), [[three, '{}']])
    t.strictSame(await c!.read('user:a place'), [])
  })

  t.test('reads no more who has left', async t => {
    const { nodes: [a, b] } = await start(t, 2)
    const one = a!.enter('room:x', 'one')
    a!.enter('room:x', 'two')
    a!.leave('room:x', 'two')
    a!.enter('room:y', 'one')
    a!.leave('room:y', 'one')
    await eventually(async () => JSON.stringify(await b!.read('room:x')) === JSON.stringify([[one, '{}']]), 'one is left')
    t.strictSame(await b!.read('room:y'), [])
    a!.leave('room:x', 'one')
    a!.enter('room:x', 'one', 'again')
    await eventually(async () => (await b!.read('room:x'))?.[0]?.[1] === 'again', 'it is back')
  })

  t.test('shows, of two nodes that write and then read, at least one the other', async t => {
    const { nodes: [a, b] } = await start(t, 2)
    for (let n = 0; n < 200; n++) {
      const place = `room:${n}`
      const race = async (node: Node) => {
        if (n % 3 === 0) await new Promise(resolve => { setImmediate(resolve) })
        node.enter(place, 'x')
        return (await node.read(place))!.length
      }
      const seen = await Promise.all(n % 2 === 0 ? [race(a!), race(b!)] : [race(b!), race(a!)])
      if (seen[0] === 0 && seen[1] === 0) t.fail(`neither saw the other in ${place}`)
    }
    t.strictSame(await a!.read('room:0'), [[`${b!.id}-x`, '{}']])
  })

  t.test('tells the others when a node has ended, and reads its members no more', async t => {
    const { nodes: [a, b, c] } = await start(t, 3)
    a!.enter('room:x', 'one')
    await eventually(async () => (await b!.read('room:x'))?.length === 1, 'it is written')
    await a!.backplane.stop()
    await eventually(() => b!.lost.length > 0 && c!.lost.length > 0, 'both know')
    t.strictSame([a!.lost, b!.lost, c!.lost], [[], [a!.id], [a!.id]])
    t.strictSame(await b!.read('room:x'), [])
    t.equal(a!.backplane.connected, false)
    t.equal(a!.post(b!, 'from the dead'), false)
    t.equal(b!.post(c!, 'among the living'), true)
    await eventually(() => c!.packets.length === 1, 'the packet')
    t.strictSame(b!.packets, [])
  })

  t.test('loses what is said while it is cut off, says so, and tells when that is over', async t => {
    const { harness, nodes: [a, b] } = await start(t, 2)
    a!.enter('room:x', 'one')
    await eventually(async () => (await b!.read('room:x'))?.length === 1, 'it is written')
    await eventually(() => a!.restorations === b!.restorations, 'both have begun')
    const before = [a!.restorations, b!.restorations]
    await harness.cut()
    await eventually(() => !a!.backplane.connected && !b!.backplane.connected, 'both notice')
    t.equal(a!.post(b!, 'lost'), false)
    t.equal(await b!.read('room:x'), undefined)
    a!.enter('room:x', 'two')
    await harness.mend()
    await eventually(() => a!.restorations > before[0]! && b!.restorations > before[1]!, 'both are told')
    t.ok(a!.backplane.connected && b!.backplane.connected)
    t.equal(a!.post(b!, 'first'), true)
    t.equal(a!.post(b!, 'second'), true)
    await eventually(() => b!.packets.length === 2, 'the packets')
    t.strictSame(b!.packets.map(([, text]) => text), ['first', 'second'])
    // As the core does when it is told.
    a!.enter('room:x', 'one')
    a!.enter('room:x', 'two')
    await eventually(async () => (await b!.read('room:x'))?.length === 2, 'both members')
    t.strictSame([a!.lost, b!.lost], [[], []])
  })
  t.test('hands what a node emits to all nodes, itself included, once each and in order', async t => {
    const { nodes } = await start(t, 3)
    const [a, b, c] = nodes
    const texts = Array.from({ length: 200 }, (_, n) => `{"n":${n},"x":"é😀"}`)
    await Promise.all(texts.map(async text => { await a!.backplane.emit(Buffer.from(text)) }))
    await eventually(() => nodes.every(({ emissions }) => emissions.length >= texts.length), 'all emissions')
    for (const { emissions, packets } of nodes) t.strictSame([emissions, packets], [texts, []])
    await b!.backplane.stop()
    await t.rejects(b!.backplane.emit(Buffer.from('from the dead')))
    await a!.backplane.emit(Buffer.from('among the living'))
    await eventually(() => [a!, c!].every(({ emissions }) => emissions.includes('among the living')), 'the last one')
    t.notOk(b!.emissions.includes('among the living'))
  })

  t.test('counts all nodes, their places and members, those of the asking node too', async t => {
    const { nodes } = await start(t, 3)
    const [a, b, c] = nodes
    const place = 'room:a place: "with" {signs} é'
    const ids = [a!.enter(place, 'one', '{"version":1}'), a!.enter(place, 'two', 'é😀'), b!.enter(place, 'three', 'x')]
    b!.enter('user:bob', 'three', 'y')
    a!.enter('room:left', 'one')
    a!.leave('room:left', 'one')
    const census = c!.backplane.census
    await eventually(async () => (await census.counts([place]))[0] === 3 && (await census.places(a!.id)).length === 1, 'all is written')
    for (const { backplane: { census } } of nodes) {
      const found = await census.nodes()
      t.strictSame(found.map(({ id }) => id).sort(), nodes.map(({ id }) => id).sort())
      for (const node of found) {
        t.match(node, { host: /./, pid: process.pid, alive: true })
        t.ok(node.lease === null || node.lease > 0)
        t.equal(new Date(node.started).toISOString(), node.started)
      }
      t.strictSame(await census.places(a!.id), [place])
      t.strictSame((await census.places(b!.id)).sort(), [place, 'user:bob'].sort())
      t.strictSame(await census.places(c!.id), [])
      t.strictSame(await census.places('nobody'), [])
      t.strictSame((await census.ids(place)).sort(), [...ids].sort())
      t.strictSame(await census.ids('room:nowhere'), [])
      t.strictSame(await census.counts([place, 'room:nowhere', 'user:bob', 'room:left']), [3, 0, 1, 0])
      t.strictSame(await census.counts([]), [])
      const [one, , three] = ids
      t.strictSame(await census.records(place, [three!, 'nobody', one!]), [{ id: three, record: 'x' }, { id: one, record: '{"version":1}' }])
      t.strictSame(await census.records(place, []), [])
    }
    await b!.backplane.stop()
    await eventually(async () => (await census.nodes()).every(({ id, alive }) => id !== b!.id || !alive), 'it is counted no more')
    await eventually(async () => (await census.ids(place)).length === 2, 'nor are its members')
  })

  t.test('rejects what is asked while it is cut off, and answers again afterwards', async t => {
    const { harness, nodes: [a, b] } = await start(t, 2)
    await harness.cut()
    await eventually(() => !a!.backplane.connected && !b!.backplane.connected, 'both notice')
    const { census } = a!.backplane
    await t.rejects(a!.backplane.emit(Buffer.from('lost')))
    await t.rejects(census.nodes())
    await t.rejects(census.places(b!.id))
    await t.rejects(census.ids('room:x'))
    await t.rejects(census.counts(['room:x']))
    await t.rejects(census.records('room:x', ['x']))
    await harness.mend()
    await eventually(() => a!.backplane.connected && b!.backplane.connected, 'both are back')
    await a!.backplane.emit(Buffer.from('found'))
    await eventually(() => b!.emissions.length > 0, 'the emission')
    t.strictSame(b!.emissions, ['found'])
    t.ok((await census.nodes()).some(({ id, alive }) => id === a!.id && alive))
  })
}
