import { Cluster } from 'ioredis'
import type { Test } from 'tap'
import { endClient } from '../../plugins/redis-clients.js'
import { eventually } from '../helper.js'
import { freePort, startRedis, type RedisServer } from '../redis.js'

const MASTERS = 3
const SLOTS = 16_384

/** Milliseconds that make a replica step in soon. */
const NODE_TIMEOUT = 1000

/** A Redis Cluster of three masters, each with one replica. */
export class RedisCluster {
  readonly client: Cluster
  readonly #servers: RedisServer[]

  private constructor (t: Test, servers: RedisServer[]) {
    this.#servers = servers
    this.client = new Cluster(servers.map(({ port }) => ({ host: '127.0.0.1', port })), { slotsRefreshInterval: 500 })
    this.client.on('error', () => {})
    t.teardown(() => { endClient(this.client) })
  }

  /** @param nodeTimeout milliseconds after which a server of it counts as failed */
  static async start (t: Test, nodeTimeout = NODE_TIMEOUT): Promise<RedisCluster> {
    const buses: number[] = []
    const servers: RedisServer[] = []
    for (let i = 0; i < 2 * MASTERS; i++) {
      buses.push(await freePort())
      const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeout), '--cluster-port', String(buses[i])]
      servers.push(await startRedis(t, { args: [...args, '--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'] }))
    }
    const clients = servers.map(server => server.client())
    const ask = async (i: number, ...args: Array<string | number>) => await clients[i]!.call('CLUSTER', ...args)
    for (let i = 0; i < MASTERS; i++) {
      const first = Math.floor(SLOTS * i / MASTERS)
      await ask(i, 'ADDSLOTSRANGE', first, Math.floor(SLOTS * (i + 1) / MASTERS) - 1)
    }
    for (const i of clients.keys()) {
      await ask(i, 'SET-CONFIG-EPOCH', i + 1)
      if (i > 0) await ask(i, 'MEET', '127.0.0.1', servers[0]!.port, buses[0]!)
    }
    const ids = await Promise.all(clients.slice(0, MASTERS).map(async (_, i) => String(await ask(i, 'MYID'))))
    for (const [i, id] of ids.entries()) {
      const replica = MASTERS + i
      await eventually(async () => String(await ask(replica, 'NODES')).includes(id), 'an introduction')
      await ask(replica, 'REPLICATE', id)
      await eventually(async () => /master_link_status:up/.test(await clients[replica]!.info('replication')), 'a replica')
    }
    await eventually(async () => {
      const states = await Promise.all(clients.map(async (_, i) => [String(await ask(i, 'INFO')), String(await ask(i, 'NODES'))]))
      return states.every(([info = '', nodes = '']) =>
        info.includes('cluster_state:ok') && nodes.match(/\bslave\b/g)?.length === MASTERS)
    }, 'a cluster')
    return new RedisCluster(t, servers)
  }

  get url (): string {
    return `redis-cluster://${this.#servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  }

  /** The master that has a key. */
  async masterOf (key: string): Promise<RedisServer> {
    const port = await this.#masterOf(await this.client.cluster('KEYSLOT', key))
    return this.#servers.find(server => server.port === port)!
  }

  /** Kills the master that has a key, and waits until its replica is the master. */
  async killMasterOf (key: string): Promise<void> {
    await this.#kill(await this.client.cluster('KEYSLOT', key))
  }

  /** The same for some master that has a replica still. */
  async killAnother (): Promise<void> {
    const slots = await this.client.cluster('SLOTS')
    await this.#kill(slots.find(([,, ...servers]) => servers.length > 1)![0])
  }

  async #kill (slot: number): Promise<void> {
    const port = await this.#masterOf(slot)
    await this.#servers.find(server => server.port === port)!.kill()
    await eventually(async () => {
      const master = await this.#masterOf(slot).catch(() => undefined)
      return master !== undefined && master !== port
    }, 'a failover')
  }

  /** The port of the server that has a slot, by what one of the servers says. */
  async #masterOf (slot: number): Promise<number | undefined> {
    const slots = await this.client.cluster('SLOTS')
    return slots.find(([first, last]) => first <= slot && slot <= last)?.[2]?.[1]
  }
}
