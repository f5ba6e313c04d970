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

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the keys to the console open this route of the HTTP API, too. */
    console?: boolean
  }
}

/**
 * The keys of a list.
 *
 * @param variable which holds it
 * @param path of the WebSocket, which must not be where the HTTP API is
 * @throws ConfigError, which does not repeat them
 */
export function keysOf (variable: string, value: string | undefined, path: string): string[] {
  if (value === undefined || value === '') return []
  const keys = listOf(value)
  if (keys.length === 0 || !keys.every(key => key.length >= MIN_LENGTH && TOKEN.test(key))) {
    throw new ConfigError(`${variable} must be a key, or several of them, each of at least ${MIN_LENGTH} letters, digits and any of - . _ ~ + / =`)
  }
  if (/^\/api(\/|$)/i.test(path)) throw new ConfigError('SYMPLE_PATH must not be within /api, where the HTTP API is')
  return keys
}

/**
 * Lets nobody in to the routes of a scope who does not have one of the keys of `config`: to the HTTP API, or to the
 * console, for what that needs.
 */
export default fp(async (fastify) => {
  const apiKeys = fastify.config.apiKeys.map(digest)
  const consoleKeys = fastify.config.consoleKeys.map(digest)
  const { apiCounts } = fastify
  let quietUntil = -Infinity
  let unreported = 0

  fastify.addHook('onRequest', async (request, reply) => {
    // What is said of peers now is not so a moment later, and nobody else's business.
    reply.header('cache-control', 'no-store')
    const key = keyOf(request)
    const presented = key === undefined ? undefined : digest(key)
    const [forAll, forConsole] = [isAmong(apiKeys, presented), isAmong(consoleKeys, presented)]
    if (forAll || (forConsole && request.routeOptions.config.console === true)) return
    if (forConsole) throw new ApiError(403, 'A key to the console does not open this: it takes one of SYMPLE_API_KEY')
    const refused = key !== undefined
    if (refused) warn(request)
    throw new ApiError(401, refused ? 'The key is not valid' : 'A key is needed: Authorization: Bearer <key>', {
      headers: { 'www-authenticate': `Bearer realm="symple"${refused ? ', error="invalid_token"' : ''}` }
    })
  })

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

/** All are compared, each in the same time: how long it takes tells nothing. */
function isAmong (keys: readonly Buffer[], presented: Buffer | undefined): boolean {
  return presented !== undefined && keys.map(key => timingSafeEqual(key, presented)).includes(true)
}

/** Digests are of one length, whatever the keys. */
function digest (key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
