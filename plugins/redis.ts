import type { Server } from 'node:net'
import type { FastifyRedis } from '@fastify/redis'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { MemoryAnswers, type AnswerStore } from '../src/backplane/answers.js'
import { RedisAnswers } from '../src/backplane/redis/answers.js'
import { RedisBackplane } from '../src/backplane/redis/backplane.js'
import { isReady, Names, type Client, type Clients } from '../src/backplane/redis/client.js'
import { RedisSessions } from '../src/backplane/redis/sessions.js'
import { reasonOf } from '../src/backplane/redis/trouble.js'
import { MemoryBackplane } from '../src/backplane/memory.js'
import type { SessionStore } from '../src/core/auth.js'
import type { Backplane } from '../src/core/backplane.js'
import { ConfigError } from './config-error.js'
import type { RedisTemplate } from './redis-template.js'

declare module 'fastify' {
  interface FastifyInstance {
    backplane: Backplane
    /** Null without Redis. */
    sessionStore: SessionStore | null
    answers: AnswerStore
  }
}

export interface RedisPluginOptions {
  /** A client of the gateway, to connect as it does; needed where the configuration has no URL. */
  template?: RedisTemplate | undefined
  log: FastifyBaseLogger
}

/** Milliseconds that Redis has at the start, at most: Fastify gives a plugin ten seconds for everything. */
const MAX_WAIT = 5000

/** Where in which Redis an instance is. */
interface Tenancy {
  readonly prefix: string
  readonly place: RedisTemplate | string
}

const TENANCIES = new WeakMap<Server, Tenancy[]>()

/**
 * Decorates the instance with what lies between the nodes, and where sessions, and answers of the HTTP API, are kept:
 * Redis, if it is configured.
 * The server starts without waiting for Redis; what needs it says so meanwhile.
 */
export default fp<RedisPluginOptions>(async (fastify, { template, log: parent }) => {
  const { redis } = fastify.config
  if (redis === undefined) {
    fastify.decorate('backplane', new MemoryBackplane())
    fastify.decorate('sessionStore', null)
    fastify.decorate('answers', new MemoryAnswers())
    return
  }
  // Much code, which a server on its own need not load.
  const { createClient, duplicateClient, endClient } = await import('./redis-clients.js')
  const { url, prefix, timeout, nodeTtl } = redis
  settle(fastify.server, { prefix, place: url === null ? template! : JSON.stringify({ ...url, db: 0 }) })
  const connect = (forCommands: boolean) => url === null
    ? duplicateClient(template!, redis, forCommands)
    : createClient(url, redis, forCommands)
  const log = parent.child({ module: 'redis' })
  const clients: Clients = { commands: connect(true), subscriber: connect(false) }
  for (const [name, client] of Object.entries(clients) as Array<[string, Client]>) {
    client.on('ready', () => { log.info({ connection: name }, 'Redis connected') })
    client.on('error', (error: Error) => { log.debug({ connection: name, reason: reasonOf(error) }, 'Redis connection failed') })
  }
  // Before anything fails: it says why.
  const backplane = new RedisBackplane({ clients, prefix, timeout, nodeTtl, log })
  const connected = await connects(clients.commands, Math.min(timeout * 1000, MAX_WAIT))
  await decorate(fastify, clients.commands, connected)
  fastify.decorate('backplane', backplane)
  const names = new Names(prefix)
  fastify.decorate('sessionStore', new RedisSessions(clients.commands, names))
  fastify.decorate('answers', new RedisAnswers(clients.commands, names))
  // After the service, which says goodbye through them.
  fastify.addHook('onClose', async () => {
    for (const client of Object.values(clients) as Client[]) endClient(client)
  })
}, { name: 'symple-redis', fastify: '5.x', dependencies: ['symple-config'] })

/**
 * Decorates the instance with `redis`, where a gateway does not have one that is its own.
 *
 * @param connected @fastify/redis would wait for a Redis that is away, and then give up: the server starts without
 */
async function decorate (fastify: FastifyInstance, client: Client, connected: boolean): Promise<void> {
  if (fastify.hasDecorator('redis')) return
  if (connected) await fastify.register(import('@fastify/redis'), { client: client as Redis })
  else fastify.decorate('redis', client as FastifyRedis)
}

/** Two instances of a gateway in one place would be two nodes of one server. Databases of one Redis share channels. */
function settle (server: Server, { prefix, place }: Tenancy): void {
  const tenancies = TENANCIES.get(server) ?? []
  TENANCIES.set(server, tenancies)
  if (tenancies.some(other => other.prefix === prefix && other.place === place)) {
    throw new ConfigError(
      `redisPrefix must be another than "${prefix}", which an instance in this gateway has in the same Redis, ` +
      'whose databases share their channels'
    )
  }
  tenancies.push({ prefix, place })
}

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
