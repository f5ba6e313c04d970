import { MemoryBackplane } from '../../src/backplane/memory.js'
import type { Backplane, BackplaneListener, MemberRecord } from '../../src/core/backplane.js'
import type { Census } from '../../src/core/census.js'
import { decodePacket, encodeEntry, encodePacket, type Entry } from '../../src/core/envelope.js'
import type { Limits } from '../../src/core/limits.js'
import { silent, type Logger } from '../../src/core/logger.js'
import { encodeRecord } from '../../src/core/remote.js'
import { Symple } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'
import type { PeerObject } from '../helper.js'

/** Another node, of which the test says what it says. */
export const OTHER = 'other'

/** A backplane that does what the test says, when it says so. */
class ScriptedBackplane implements Backplane {
  readonly started = '2026-01-01T00:00:00.000Z'
  readonly node = 'node'
  readonly connected = true
  readonly alone = false
  readonly counts = {
    published: 0, failed: 0, received: 0, gaps: 0, probesLost: 0, probeSeconds: 0, sweeps: 0, unjudgedSeconds: 0
  }

  readonly posted: Entry[] = []
  /** Bytes of each packet. */
  readonly sizes: number[] = []
  /** Answers to reads that are waited for, by place. */
  readonly reads = new Map<string, (members: MemberRecord[] | Promise<MemberRecord[]>) => void>()
  /** Places of which the answer waits for the test; others are empty. */
  readonly slow = new Set<string>()
  listener!: BackplaneListener

  async start (listener: BackplaneListener): Promise<void> {
    this.listener = listener
  }

  enter (): void {}
  leave (): void {}

  async read (place: string): Promise<MemberRecord[]> {
    if (!this.slow.has(place)) return []
    return await new Promise(resolve => { this.reads.set(place, resolve) })
  }

  post (_node: string, packet: Buffer): boolean {
    this.sizes.push(packet.length)
    this.posted.push(...decodePacket(packet)!)
    return true
  }

  async stop (): Promise<void> {}

  readonly census: Census = new MemoryBackplane().census
  async emit (): Promise<void> {}
}

/** What was begun has come to its end, as far as nothing else is waited for. */
export async function turn (): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise(resolve => { setImmediate(resolve) })
}

interface ScriptedOptions { log?: Logger, limits?: Partial<Limits> }

export async function setUp ({ log = silent, limits = {} }: ScriptedOptions = {}) {
  const backplane = new ScriptedBackplane()
  let ids = 0
  const symple = new Symple({ backplane, log, limits, now: () => 0, newId: () => `${++ids}` })
  await symple.start()
  return {
    symple,
    backplane,
    /** Has a client enter; it may wait for what its rooms hold. */
    async enter (user: string, ...rooms: string[]) {
      const connection = new FakeConnection()
      const session = symple.open(connection, { host: '127.0.0.1' })
      const send = (message: object) => { session.receive(Buffer.from(JSON.stringify(message)), false) }
      send({ type: 'auth', user, rooms })
      await turn()
      return {
        connection,
        session,
        send,
        /** What it was told of others: `+` online, `-` offline, `=` anything else. */
        get story () {
          return connection.frames.filter(({ type }) => type === 'presence').map(({ data, from, published }) => {
            const { online, n } = data as PeerObject
            return `${published === true ? '=' : online ? '+' : '-'}${from!.split('-')[1]!}${n === undefined ? '' : `(${String(n)})`}`
          })
        }
      }
    },
    /** Has the other node say something. @returns what is answered */
    async say (...entries: Entry[]): Promise<Entry[]> {
      backplane.posted.length = 0
      backplane.listener.received(OTHER, encodePacket(entries.map(encodeEntry)))
      await turn()
      return [...backplane.posted]
    },
    async found (place: string, ...members: MemberRecord[]): Promise<void> {
      backplane.reads.get(place)!(members)
      await turn()
    }
  }
}

/** A peer of the other node. */
export function remote (user: string, name: string, version = 0, moves = 0): MemberRecord {
  const id = `${OTHER}-${name}`
  const data = { id, user, name: user, online: true, host: '::1', ...(version > 0 && { n: version }) }
  return { id, record: encodeRecord({ version, moves, data }) }
}
