import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { Client } from '../src/backplane/redis/client.js'
import type { RedisConfig } from './config.js'
import type { RedisTemplate } from './redis-template.js'
import type { RedisUrl } from './redis-url.js'

/** Milliseconds between two attempts to connect, at most. */
const MAX_BACKOFF = 2000

/** Milliseconds after which a client of a Redis Cluster looks again which of its servers has what. */
const SLOTS_REFRESH = 5000

type Options = Omit<RedisOptions, 'replyMapping'>

/** Connects to where a URL says. @param forCommands false: for subscriptions, which wait without end */
export function createClient (url: RedisUrl, config: RedisConfig, forCommands: boolean): Client {
  const options: Options = {
    db: url.db,
    ...(url.username !== undefined && { username: url.username }),
    ...(url.password !== undefined && { password: url.password }),
    ...(url.tls && { tls: {} }),
    ...ownOptions(config, forCommands)
  }
  switch (url.kind) {
    case 'single':
      return new Redis({ ...options, ...url.nodes[0]! })
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: [...url.nodes],
        name: url.name!,
        ...(url.tls && { enableTLSForSentinelMode: true, sentinelTLS: {} })
      })
    case 'cluster':
      return new Cluster([...url.nodes], clusterOptions(options, config, forCommands))
  }
}

/** Connects to where a client of the gateway does, as that client does; all else is as we need it. */
export function duplicateClient (template: RedisTemplate, config: RedisConfig, forCommands: boolean): Client {
  // The prefix of our keys is a setting of ours: backends and other nodes know it.
  const shared = { keyPrefix: '', enableReadyCheck: true, enableAutoPipelining: false }
  const options: Options = { ...ownOptions(config, forCommands), ...shared, stringNumbers: false }
  if (!template.isCluster) return (template as Redis).duplicate({ ...options, lazyConnect: false, readOnly: false })
  return (template as Cluster).duplicate([], {
    ...clusterOptions(options, config, forCommands),
    ...shared,
    lazyConnect: false,
    scaleReads: 'master'
  })
}

/**
 * Ends a client for good. One of a Redis Cluster that is just looking which of its servers has what would look again
 * and again after its end, and keep the process alive.
 */
export function endClient (client: Client): void {
  if (client.isCluster) Object.assign(client, { refreshSlotsCache: () => {} })
  client.disconnect()
}

function ownOptions ({ timeout, nodeTtl }: RedisConfig, forCommands: boolean): Options {
  const backoff = backoffWithin(nodeTtl)
  return {
    connectTimeout: timeout * 1000,
    // What can't be sent now is not kept: who asked must know, and memory is bounded.
    enableOfflineQueue: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: backoff,
    sentinelRetryStrategy: backoff,
    ...(forCommands && { commandTimeout: timeout * 1000 })
  }
}

function clusterOptions (options: Options, { nodeTtl }: RedisConfig, forCommands: boolean) {
  const { db, enableOfflineQueue, retryStrategy, sentinelRetryStrategy, ...redisOptions } = options
  return {
    redisOptions,
    enableOfflineQueue: false,
    shardedSubscribers: !forCommands,
    slotsRefreshInterval: SLOTS_REFRESH,
    clusterRetryStrategy: backoffWithin(nodeTtl)
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
