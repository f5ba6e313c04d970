import redis, { type FastifyRedis } from '@fastify/redis'
import fp from 'fastify-plugin'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { RedisBackplane } from '../src/backplane/redis/backplane.js'
import { isReady, Names, type Client, type Clients } from '../src/backplane/redis/client.js'
import { RedisSessions } from '../src/backplane/redis/sessions.js'
import { MemoryBackplane } from '../src/backplane/memory.js'
import type { SessionStore } from '../src/core/auth.js'
import type { Backplane } from '../src/core/backplane.js'
import type { RedisConfig } from './config.js'

declare module 'fastify' {
  interface FastifyInstance {
    backplane: Backplane
    /** Null without Redis. */
    sessionStore: SessionStore | null
  }
}

/** Milliseconds between two attempts to connect, at most. */
const MAX_BACKOFF = 2000

/** Milliseconds after which a client of a Redis Cluster looks again which of its servers has what. */
const SLOTS_REFRESH = 5000

/**
 * Decorates the instance with what lies between the nodes, and where sessions are kept: Redis, if it is configured.
 * The server starts without waiting for Redis; what needs it says so meanwhile.
 */
export default fp(async (fastify) => {
  const { config } = fastify
  if (config.redis === undefined) {
    fastify.decorate('backplane', new MemoryBackplane())
    fastify.decorate('sessionStore', null)
    return
  }
  const { prefix, timeout, nodeTtl } = config.redis
  const log = fastify.log.child({ module: 'redis' })
  const clients: Clients = {
    commands: createClient(config.redis, true),
    subscriber: createClient(config.redis, false)
  }
  for (const [name, client] of Object.entries(clients) as Array<[string, Client]>) {
    client.on('ready', () => { log.info({ connection: name }, 'Redis connected') })
    client.on('error', (err: Error) => { log.debug({ connection: name, err }, 'Redis connection failed') })
  }
  // @fastify/redis would wait for a Redis that is away, and then give up: the server starts without.
  const connected = await connects(clients.commands, timeout * 1000)
  if (connected) await fastify.register(redis, { client: clients.commands as Redis })
  else fastify.decorate('redis', clients.commands as FastifyRedis)
  fastify.decorate('backplane', new RedisBackplane({ clients, prefix, timeout, nodeTtl, log }))
  fastify.decorate('sessionStore', new RedisSessions(clients.commands, new Names(prefix)))
  // After the service, which says goodbye through them.
  fastify.addHook('onClose', async () => {
    for (const client of Object.values(clients) as Client[]) client.disconnect()
  })
}, { name: 'symple-redis', fastify: '5.x', dependencies: ['symple-config'] })

/** Whether the first attempt to connect succeeds in time: who stands still takes a connection, and says nothing. */
async function connects (client: Client, timeout: number): Promise<boolean> {
  if (isReady(client)) return true
  return await new Promise(resolve => {
    const timer = setTimeout(() => { resolve(false) }, timeout)
    client.once('ready', () => { resolve(true) })
    client.once('close', () => { resolve(false) })
    for (const event of ['ready', 'close']) client.once(event, () => { clearTimeout(timer) })
  })
}

function createClient ({ url, timeout, nodeTtl }: RedisConfig, forCommands: boolean): Client {
  const backoff = backoffWithin(nodeTtl)
  const options: Omit<RedisOptions, 'replyMapping'> = {
    db: url.db,
    ...(url.username !== undefined && { username: url.username }),
    ...(url.password !== undefined && { password: url.password }),
    ...(url.tls && { tls: {} }),
    connectTimeout: timeout * 1000,
    // What can't be sent now is not kept: who asked must know, and memory is bounded.
    enableOfflineQueue: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    ...(forCommands && { commandTimeout: timeout * 1000 })
  }
  switch (url.kind) {
    case 'single':
      return new Redis({ ...options, ...url.nodes[0]!, retryStrategy: backoff })
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: [...url.nodes],
        name: url.name!,
        ...(url.tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
        retryStrategy: backoff,
        sentinelRetryStrategy: backoff
      })
    case 'cluster': {
      const { db, enableOfflineQueue, ...redisOptions } = options
      return new Cluster([...url.nodes], {
        redisOptions,
        enableOfflineQueue: false,
        shardedSubscribers: !forCommands,
        slotsRefreshInterval: SLOTS_REFRESH,
        clusterRetryStrategy: backoff
      })
    }
  }
}

/**
 * Doubles, up to a bound, and spreads: not all nodes come back in one moment. But all come back before others judge
 * that they are gone.
 */
function backoffWithin (nodeTtl: number): (attempt: number) => number {
  const max = Math.min(MAX_BACKOFF, nodeTtl * 1000 / 3)
  return attempt => Math.min(max, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2)
}
