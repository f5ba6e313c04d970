import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { connect, eventually, settle, TestClient, type Frame } from '../helper.js'
import type { LogLine, ServerProcess } from '../process.js'

export const DEBUG = 20
export const INFO = 30
export const WARN = 40

/** What nobody but those for whom it is may read, and nobody may log. */
export const SECRET = 'S3CR3T'

/** Where the victims are, and where the impostor and a witness are. Its é is one character. */
export const VAULT = 'caf\u00e9'
export const LOBBY = 'lobby'

/** A line of the log that must be there: each field as it is, or as the pattern says. */
export type Wanted = { msg: string, level: number } & Record<string, unknown>

/** An attempt to read, write or be seen where one does not belong. */
export interface Attempt {
  readonly what: string
  readonly make: (scene: Scene) => Promise<void> | void
  /** What an operator finds in the log. */
  readonly log: (scene: Scene) => Wanted
}

type Enter = (user: string, room: string) => object | Promise<object>

/**
 * Alice and Bob in a room of their own; Mallory, who is not who she says; and Carol, who sees Mallory. After an attempt
 * the scene looks at what all of them got.
 */
export class Scene {
  readonly t: Test
  readonly server: ServerProcess
  /** Where sessions are, if they are needed. */
  readonly backend: Redis | null
  alice!: TestClient
  bob!: TestClient
  carol!: TestClient
  mallory!: TestClient
  /** Further connections of the impostor. */
  readonly #guises: TestClient[] = []
  readonly #texts: string[] = []
  #logged = 0

  private constructor (t: Test, server: ServerProcess, backend: Redis | null) {
    this.t = t
    this.server = server
    this.backend = backend
  }

  /** @param enter what a client says, or has to say, to be a user in a room */
  static async set (t: Test, server: ServerProcess, enter: Enter, backend: Redis | null = null): Promise<Scene> {
    const scene = new Scene(t, server, backend)
    const connectAs = async (user: string, room: string) => await connect(t, server.url, await enter(user, room))
    scene.alice = await connectAs('alice', VAULT)
    scene.bob = await connectAs('bob', VAULT)
    scene.carol = await connectAs('carol', LOBBY)
    scene.mallory = await connectAs('mallory', LOBBY)
    await settle(scene.alice, scene.bob, scene.carol, scene.mallory)
    for (const client of [scene.alice, scene.bob, scene.carol, scene.mallory]) client.take()
    scene.carol.ws.on('message', data => { scene.#texts.push(String(data)) })
    scene.#logged = server.log.length
    return scene
  }

  /** Another connection of the impostor. */
  async guise (options: object = {}): Promise<TestClient> {
    const client = new TestClient(this.server.url, options)
    this.t.teardown(() => { client.ws.terminate() })
    this.#guises.push(client)
    return await client.opened()
  }

  /** Another connection of the impostor that says who it is and is refused. @returns the code of the close */
  async refused (auth: object | string): Promise<number> {
    const client = await this.guise()
    client.send(auth)
    const { code } = await client.closed
    this.t.strictSame(client.frames.map(({ type }) => type), ['error'], 'refused')
    return code
  }

  /** Another connection of the impostor that is let in. */
  async let (auth: object): Promise<TestClient> {
    const client = await this.guise()
    await client.authenticate(auth)
    return client
  }

  /** That the attempt came to nothing: nobody read, wrote or was seen where it did not belong. */
  async check ({ log }: Attempt): Promise<void> {
    const { t, alice, bob, carol, mallory, server } = this
    // What is logged has been done, if anything has.
    await this.#checkLog(log(this))
    const guises = [mallory, ...this.#guises].filter(({ ws }) => ws.readyState === ws.OPEN)
    await settle(...guises, alice, bob, carol)
    const ways = [undefined, VAULT, [VAULT], 'bob', bob.address, bob.peer.id]
    for (const [n, to] of ways.entries()) alice.send({ type: 'message', to, n, data: SECRET })
    alice.send({ type: 'presence', data: { mood: SECRET } })
    await settle(...guises, alice, bob, carol)

    t.strictSame(bob.take().map(({ type, from, n }) => [type, from, n]),
      [...ways.map((_, n) => ['message', alice.address, n]), ['presence', alice.address, undefined]], 'Bob hears Alice alone')
    t.strictSame(alice.take(), [], 'Alice hears nobody')
    t.strictSame(Object.keys(alice.roster), [bob.address], 'Alice sees Bob alone')
    const overheard = [carol, mallory, ...this.#guises].flatMap(({ frames }) => frames)
    t.strictSame(overheard.filter(frame => JSON.stringify(frame).includes(SECRET)), [], 'the impostor reads nothing')
    t.strictSame(overheard.filter(({ from }) => from === alice.address || from === bob.address), [], 'and sees nobody')
    this.#checkWitness(carol.take())
    t.equal(server.child.exitCode, null)
  }

  /** That what reached Carol says truly from whom it is, however it is read. */
  #checkWitness (frames: Frame[]): void {
    const peers = [this.mallory, ...this.#guises].filter(({ peer }) => peer !== undefined)
    const own = new Map(peers.map(({ address, peer }) => [address, peer]))
    for (const { type, from, data } of frames) {
      const peer = own.get(from!)
      this.t.ok(peer, `${String(from)} is a peer of the impostor`)
      if (type !== 'presence' || peer === undefined) continue
      const { id, user, host } = data as typeof peer
      this.t.strictSame({ id, user, host }, { id: peer.id, user: peer.user, host: peer.host }, 'presence tells who it is')
    }
    for (const text of this.#texts) {
      const spoken = text.match(/"(?:f|\\u0066)rom"\s*:\s*("[^"]*"|[^,}]*)/g) ?? []
      this.t.equal(spoken.filter(member => !own.has(/:\s*"(.*)"/.exec(member)?.[1] ?? '')).length, 0, 'whichever from is read')
    }
  }

  async #checkLog (wanted: Wanted): Promise<void> {
    let lines: LogLine[] = []
    await eventually(() => {
      lines = this.server.log.slice(this.#logged)
      return lines.some(line => matches(line, wanted))
    }, `the line ${JSON.stringify(wanted)} in ${lines.map(line => JSON.stringify(line)).join('\n')}`)
    this.t.pass(`logged: ${wanted.msg}`)
  }

  async leave (): Promise<void> {
    const clients = [this.alice, this.bob, this.carol, this.mallory, ...this.#guises]
    const open = clients.filter(({ ws }) => ws.readyState === ws.OPEN)
    await Promise.all(open.map(async client => { await client.close() }))
  }
}

function matches (line: LogLine, wanted: Wanted): boolean {
  return Object.entries(wanted).every(([key, value]) => value instanceof RegExp
    ? value.test(String(line[key]))
    : JSON.stringify(line[key]) === JSON.stringify(value))
}
