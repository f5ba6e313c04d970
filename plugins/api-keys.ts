import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from './api-problems.js'
import { ConfigError } from './config-error.js'
import { listOf } from './environment.js'

/** 128 bits, as hex digits. */
const MIN_LENGTH = 32

/** What RFC 6750 lets stand in a header as a bearer token. */
const TOKEN = /^[\w.~+/-]+=*$/

/** Seconds for which one warning about refused keys has to do. */
const WARNING_INTERVAL = 60

/**
 * The keys of a list.
 *
 * @param path of the WebSocket, which must not be where the HTTP API is
 * @throws ConfigError, which does not repeat them
 */
export function apiKeysOf (value: string | undefined, path: string): string[] {
  if (value === undefined || value === '') return []
  const keys = listOf(value)
  if (keys.length === 0 || !keys.every(key => key.length >= MIN_LENGTH && TOKEN.test(key))) {
    throw new ConfigError(`SYMPLE_API_KEY must be a key, or several of them, each of at least ${MIN_LENGTH} letters, digits and any of - . _ ~ + / =`)
  }
  if (/^\/api(\/|$)/i.test(path)) throw new ConfigError('SYMPLE_PATH must not be within /api, where the HTTP API is')
  return keys
}

/** Lets nobody in to the routes of a scope who does not have one of the keys of `config`. */
export default fp(async (fastify) => {
  const digests = fastify.config.apiKeys.map(digest)
  const { apiCounts } = fastify
  let quietUntil = -Infinity
  let unreported = 0

  fastify.addHook('onRequest', async (request, reply) => {
    // What is said of peers now is not so a moment later, and nobody else's business.
    reply.header('cache-control', 'no-store')
    const key = keyOf(request)
    if (key !== undefined && isKnown(key)) return
    const refused = key !== undefined
    if (refused) warn(request)
    throw new ApiError(401, refused ? 'The key is not valid' : 'A key is needed: Authorization: Bearer <key>', {
      headers: { 'www-authenticate': `Bearer realm="symple"${refused ? ', error="invalid_token"' : ''}` }
    })
  })

  /** All are compared, each in the same time: how long it takes tells nothing. */
  function isKnown (key: string): boolean {
    const presented = digest(key)
    return digests.map(known => timingSafeEqual(known, presented)).includes(true)
  }

  function warn (request: FastifyRequest): void {
    apiCounts.refused++
    unreported++
    if (performance.now() < quietUntil) return
    request.log.warn({ host: request.ip, refused: unreported }, 'HTTP API: key refused')
    quietUntil = performance.now() + WARNING_INTERVAL * 1000
    unreported = 0
  }
}, { name: 'symple-api-keys', fastify: '5.x', dependencies: ['symple-config', 'symple-api-counts'] })

function keyOf (request: FastifyRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** Digests are of one length, whatever the keys. */
function digest (key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
