import type { Test } from 'tap'
import { MemoryBackplane, MemoryNetwork } from '../../src/backplane/memory.js'
import { anonymous } from '../../src/core/auth.js'
import type { Backplane } from '../../src/core/backplane.js'
import { connect, eventually, settle, startServer, type TestClient, type TestServer } from '../helper.js'
import { startHookedServer } from '../hooked-server.js'
import { startRedis, type RedisServer } from '../redis.js'

/** Starts servers on one Redis; the test's teardown ends all of them. */
export async function startNodes (
  t: Test, count: number, env: Record<string, string> = {}
): Promise<{ nodes: TestServer[], urls: string[], redis: RedisServer }> {
  const redis = await startRedis(t)
  const nodes: TestServer[] = []
  for (let i = 0; i < count; i++) nodes.push(await startServer(t, { SYMPLE_REDIS_URL: redis.url, SYMPLE_RATE_LIMIT: '0', ...env }))
  return { nodes, urls: nodes.map(({ url }) => url), redis }
}

/** Starts servers on one network in memory; each can be cut off from the others. */
export async function startMemoryNodes (
  t: Test, count: number
): Promise<{ urls: string[], backplanes: MemoryBackplane[] }> {
  const network = new MemoryNetwork()
  const backplanes = Array.from({ length: count }, () => new MemoryBackplane(network))
  const urls: string[] = []
  for (const backplane of backplanes) {
    const { url, symple } = await startHookedServer(t, anonymous, { SYMPLE_RATE_LIMIT: '0' }, backplane)
    await symple.start()
    urls.push(url)
  }
  return { urls, backplanes }
}

/**
 * Waits until what each node has said to the others before has been heard: what it says stays in order, so a message
 * from each to each is enough. A client on each node carries them, all of one user that nobody else is.
 */
export class Couriers {
  readonly #clients: TestClient[]
  #round = 0

  private constructor (clients: TestClient[]) {
    this.#clients = clients
  }

  static async start (t: Test, urls: readonly string[]): Promise<Couriers> {
    const clients: TestClient[] = []
    for (const url of urls) clients.push(await connect(t, url, { user: 'courier' }))
    await sees(clients)
    return new Couriers(clients)
  }

  /** @param rounds more than one, for what is said in answer to what was said */
  async run (rounds = 3): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      const id = `round-${++this.#round}`
      for (const client of this.#clients) client.send({ type: 'message', id })
      const others = this.#clients.length - 1
      await eventually(() => this.#clients.every(({ frames }) =>
        frames.filter(frame => frame.id === id).length >= others), `${id} of the couriers`)
    }
  }
}

/** Waits until each of some clients has all others on its roster. */
export async function sees (clients: readonly TestClient[]): Promise<void> {
  await eventually(() => clients.every(client =>
    clients.every(other => other === client || other.address in client.roster)), 'all see each other')
}

/** Clients by name; the name's first word is the user. */
export type Cast = Record<string, TestClient>

/** Where each client is to be, and in which rooms. */
export type Casting = Record<string, readonly [node: number, rooms: readonly string[]]>

/**
 * Connects clients in a given order, each to its node: a name is a user, and a digit behind it tells its peers apart.
 * Those who share anything know each other when it resolves, and all frames have been taken.
 */
export async function gather (t: Test, urls: readonly string[], couriers: Couriers, casting: Casting): Promise<Cast> {
  const cast: Cast = {}
  for (const [name, [node, rooms]] of Object.entries(casting)) {
    cast[name] = await connect(t, urls[node]!, { user: name.replace(/\d$/, ''), rooms })
  }
  await rest(cast, couriers)
  for (const client of Object.values(cast)) client.take()
  return cast
}

/** Waits until all that clients have sent has reached whom it was for, on whichever node. */
export async function rest (cast: Cast, couriers: Couriers): Promise<void> {
  const clients = Object.values(cast)
  await settle(...clients)
  await couriers.run()
  await settle(...clients)
}

let sent = 0

/** Sends a message and says who got it, as often as they got it, in the order of the cast. */
export async function deliver (cast: Cast, couriers: Couriers, sender: string, to: unknown): Promise<string[]> {
  const id = `m${++sent}`
  cast[sender]!.send({ type: 'message', to, id })
  await rest(cast, couriers)
  return Object.entries(cast).flatMap(([name, client]) =>
    client.take().filter(frame => frame.type === 'message' && frame.id === id).map(() => name))
}

/** What lies between a server and the others. */
export function backplaneOf ({ server }: TestServer): Backplane {
  return server.backplane
}
