import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type, { type Static } from 'typebox'
import { DEFAULT_LIMITS, type Limits } from '../src/core/limits.js'
import { keysOf } from './api-keys.js'
import { ConfigError } from './config-error.js'
import { Choice, Flag, List, notEmpty } from './environment.js'
import { jwtOf, type JwtConfig } from './jwt-config.js'
import { parseOrigins } from './origins.js'
import { parseRedisUrl, type RedisUrl } from './redis-url.js'
import { isServerVariable, overlay, type Environment, type VariableSchema } from './settings.js'
import { readIdentity, type Identity } from './tls.js'
import { parseTrustProxy, type TrustProxy } from './trust-proxy.js'
import { checkVariables, readEnvironment } from './variables.js'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
  }
}

export { ConfigError }

/** As many seconds as Node's timers can wait for, and as much of anything as the WebSocket library can count. */
const MAX_SECONDS = 2e6
const MAX_COUNT = 2 ** 31 - 1

const seconds = (value: number, description: string) =>
  Type.Number({ default: value, minimum: 0, maximum: MAX_SECONDS, description })
const count = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 0, maximum: MAX_COUNT, description })
const port = (description: string) => Type.Integer({ minimum: 0, maximum: 65535, description })
const claim = (value: string, description: string) => Type.String({ default: value, minLength: 1, description })
const text = (description: string) => Type.Optional(Type.String({ description }))
/** A list that, where it is given, must not be empty. */
const names = (description: string) => Type.Optional(Type.String({ accepts: ['array'], description }))
const secret = (description: string, accepts: string[] = []) =>
  Type.Optional(Type.String({ secret: true, accepts, description }))

/** A path without the signs of route patterns, and not one of the server's own. */
const PATH_PATTERN = '^/(?!(healthz|readyz|metrics)/?$)[^\\s:*?#()%]*$'

/**
 * Every environment variable, and with it the option that stands for it: its type, default, bounds and meaning. The one
 * source of all four.
 */
export const schema = Type.Object({
  PORT: Type.Optional(port('Port to listen on; wins over SYMPLE_PORT.')),
  SYMPLE_PORT: Type.Integer({ default: 4500, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 takes a free one.' }),
  SYMPLE_HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on.' }),
  SYMPLE_PATH: Type.String({ default: '/', pattern: PATH_PATTERN, description: 'Path at which the WebSocket is served.' }),
  SYMPLE_TRUST_PROXY: Type.String({
    default: 'false',
    accepts: ['boolean', 'array'],
    description: 'Whose X-Forwarded-For counts: a boolean, a number of hops, or a list of addresses.'
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info', description: 'Least level that is logged.'
  }),
  DEBUG: text('"symple:*" turns on the log level debug.'),
  SYMPLE_TRACING: Flag(false, 'Trace authentications and messages through @opentelemetry/api.'),
  NODE_ENV: text('"production" makes the default of SYMPLE_PLAYGROUND off.'),
  SYMPLE_PLAYGROUND: Type.Optional(Choice('Browsers get a page at SYMPLE_PATH to try the server out; on, unless NODE_ENV says otherwise.')),

  SYMPLE_AUTHENTICATION: Flag(false, 'Clients need a token: of a session, or a JSON Web Token.'),
  SYMPLE_SESSION_TTL: Type.Number({
    default: -1, maximum: MAX_COUNT, description: 'Minutes that a session lives on after authentication; 0 or less leaves its expiry alone.'
  }),
  SYMPLE_JWT_SECRET: secret('Secret that JSON Web Tokens are signed with; 32 bytes or more.'),
  SYMPLE_JWT_PUBLIC_KEY: text('Public key or certificate that JSON Web Tokens are checked with: PEM, or a file with it.'),
  SYMPLE_JWT_JWKS_URL: secret('URL at which the issuer of JSON Web Tokens publishes its keys, as a JSON Web Key Set.'),
  SYMPLE_JWT_ALGORITHMS: names('Algorithms that tokens may have, comma-separated. Not set: HS256 for a secret, else all that fit the key.'),
  SYMPLE_JWT_ISSUER: names('Issuers whose tokens are taken, comma-separated. Not set: any that have the key.'),
  SYMPLE_JWT_AUDIENCE: names('Audiences one of which a token must be for, comma-separated. Not set: any.'),
  SYMPLE_JWT_USER_CLAIM: claim('sub', 'Claim that is the user; dots lead into objects.'),
  SYMPLE_JWT_NAME_CLAIM: claim('name', 'Claim that is the display name.'),
  SYMPLE_JWT_ROOMS_CLAIM: claim('rooms', 'Claim with the rooms, an array.'),
  SYMPLE_JWT_DATA_CLAIM: text('Claim with an object whose fields peers see. Not set: none.'),
  SYMPLE_JWT_LEEWAY: seconds(5, 'Seconds by which the clock of an issuer may differ.'),
  SYMPLE_DYNAMIC_ROOMS: Flag(true, 'Clients may join and leave rooms.'),
  SYMPLE_SESSION_CHECK: seconds(30, 'Seconds after which a connection ends whose session has gone; 0: it stays.'),
  SYMPLE_REDIS_URL: secret('Redis to use; wins over REDIS_URL. Without any, the server stands alone.'),
  REDIS_URL: secret('As SYMPLE_REDIS_URL.'),
  SYMPLE_REDIS_HOST: text('Host of the Redis to use, where no URL is given.'),
  SYMPLE_REDIS_PORT: Type.Integer({ default: 6379, minimum: 1, maximum: 65535, description: 'Port of that Redis.' }),
  SYMPLE_REDIS_PROTOCOL: Type.Enum(['redis', 'rediss'], { default: 'redis', description: 'rediss: over TLS.' }),
  SYMPLE_REDIS_TIMEOUT: Type.Number({ default: 3, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds to wait for Redis at authentication.' }),
  SYMPLE_REDIS_PREFIX: Type.String({ default: 'symple', minLength: 1, description: 'First part of all keys and channels in Redis.' }),
  SYMPLE_REDIS_REQUIRED: Flag(true, 'Not ready while Redis can not be reached.'),
  SYMPLE_NODE_TTL: Type.Number({ default: 10, minimum: 1, maximum: MAX_SECONDS, description: 'Seconds without a sign of life after which a node is gone; others notice it within twice that.' }),

  SYMPLE_API_KEY: secret('Key to the HTTP API, or several, comma-separated. Without any, there is no HTTP API.', ['array']),
  SYMPLE_CONSOLE_KEY: secret('Key to the console, a page for operators, or several, comma-separated. Without any, there is no console.', ['array']),

  SYMPLE_SSL_ENABLED: Flag(false, 'Serve over TLS.'),
  SYMPLE_SSL_KEY: text('File with the private key, PEM.'),
  SYMPLE_SSL_CERT: text('File with the certificate chain, PEM.'),

  SYMPLE_AUTH_TIMEOUT: seconds(DEFAULT_LIMITS.authTimeout, 'Seconds that a client has to authenticate.'),
  SYMPLE_HOOK_TIMEOUT: seconds(DEFAULT_LIMITS.hookTimeout, 'Seconds that a hook of the application has to answer.'),
  SYMPLE_MAX_NAME_LENGTH: count(DEFAULT_LIMITS.maxNameLength, 'Bytes in a user, a name, the name of a room.'),
  SYMPLE_MAX_DATA_SIZE: count(DEFAULT_LIMITS.maxDataSize, 'Bytes of auth data and of presence data.'),
  SYMPLE_MAX_ROOMS_PER_PEER: count(DEFAULT_LIMITS.maxRoomsPerPeer, 'Rooms that one peer is in at a time.'),
  SYMPLE_PROBE_LIMIT: count(DEFAULT_LIMITS.probeLimit, 'Recipients up to which a presence keeps its probe.'),
  SYMPLE_MAX_MESSAGE_SIZE: count(DEFAULT_LIMITS.maxMessageSize, 'Bytes of one message from a client.'),
  SYMPLE_RATE_LIMIT: count(DEFAULT_LIMITS.rateLimit, 'Messages that a peer may send in SYMPLE_RATE_SECONDS.'),
  SYMPLE_RATE_SECONDS: Type.Number({ default: DEFAULT_LIMITS.rateSeconds, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds that SYMPLE_RATE_LIMIT is for.' }),
  SYMPLE_REFRESH_INTERVAL: seconds(DEFAULT_LIMITS.refreshInterval, 'Seconds between two fresh tokens of a peer.'),
  SYMPLE_PRESENCE_RATE: count(DEFAULT_LIMITS.presenceRate, 'Joins, leaves and published presences that a peer may send in SYMPLE_RATE_SECONDS.'),
  SYMPLE_MAX_RECIPIENTS: count(DEFAULT_LIMITS.maxRecipients, 'Names in the to of one message.'),
  SYMPLE_MAX_CONNECTIONS: count(DEFAULT_LIMITS.maxConnections, 'Connections at a time.'),
  SYMPLE_MAX_UNAUTHENTICATED: count(DEFAULT_LIMITS.maxUnauthenticated, 'Connections at a time that have not authenticated; one more ends the oldest of them.'),
  SYMPLE_ACCEPT_RATE: count(DEFAULT_LIMITS.acceptRate, 'New connections a second.'),
  SYMPLE_IP_CONNECTION_RATE: count(DEFAULT_LIMITS.ipConnectionRate, 'New connections from one address in SYMPLE_IP_RATE_SECONDS.'),
  SYMPLE_IP_AUTH_FAILURES: count(DEFAULT_LIMITS.ipAuthFailures, 'Refused authentications from one address in SYMPLE_IP_RATE_SECONDS.'),
  SYMPLE_IP_RATE_SECONDS: Type.Number({ default: DEFAULT_LIMITS.ipRateSeconds, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds that these two are for.' }),
  SYMPLE_IP_MAX_CONNECTIONS: count(DEFAULT_LIMITS.ipMaxConnections, 'Connections from one address at a time.'),
  SYMPLE_IP_MAX_UNAUTHENTICATED: count(DEFAULT_LIMITS.ipMaxUnauthenticated, 'Those of them that have not authenticated.'),
  SYMPLE_MAX_BUFFERED: count(DEFAULT_LIMITS.maxBuffered, 'Unsent bytes to one peer, past which it is cut.'),
  SYMPLE_ALLOWED_ORIGINS: List('Origins whose pages may connect, comma-separated; empty: any.'),
  SYMPLE_PING_INTERVAL: seconds(DEFAULT_LIMITS.pingInterval, 'Seconds between two pings to a peer.'),
  SYMPLE_PING_TIMEOUT: seconds(DEFAULT_LIMITS.pingTimeout, 'Seconds that a peer has to answer a ping.'),
  SYMPLE_DRAIN_SECONDS: seconds(10, 'Seconds over which peers are closed at shutdown.'),
  SYMPLE_COMPRESSION: Flag(false, 'Offer permessage-deflate: less traffic for much memory and processor time.')
})

export type Variables = Static<typeof schema>

/** Times in seconds. */
export interface RedisConfig {
  /** Null: whoever mounts the server hands in a client. */
  readonly url: RedisUrl | null
  readonly prefix: string
  readonly timeout: number
  readonly nodeTtl: number
  /** Whether the server is ready only while Redis can be reached. */
  readonly required: boolean
}

/** The configuration, checked and put in order. */
export interface Config {
  readonly host: string
  readonly port: number
  /** Path of the WebSocket. */
  readonly path: string
  readonly trustProxy: TrustProxy
  readonly logLevel: Variables['LOG_LEVEL']
  /** Whether authentications and messages are traced. */
  readonly tracing: boolean
  /** Whether browsers get a page on which to try the server out. */
  readonly playground: boolean
  readonly tls: Identity | undefined
  readonly authentication: boolean
  /** Undefined: tokens are those of sessions. */
  readonly jwt: JwtConfig | undefined
  /** Seconds; 0 or less: the session's own expiry rules. */
  readonly sessionTtl: number
  /** Seconds. */
  readonly sessionCheck: number
  readonly dynamicRooms: boolean
  readonly redis: RedisConfig | undefined
  /** Keys to the HTTP API; none: there is no such thing. */
  readonly apiKeys: readonly string[]
  /** Keys to the console, and to what it needs of the HTTP API; none: there is no console. */
  readonly consoleKeys: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly compression: boolean
  readonly drainSeconds: number
  readonly limits: Limits
}

export interface ConfigOptions {
  /** Options that stand for variables, and win over them, by name. */
  settings?: Readonly<Record<string, unknown>>
  /** Variables in place of those of the process and of `.env`; false: none. */
  env?: Environment | false | undefined
  /** Whether this is a gateway's: variables about a server on its own are not looked at. */
  mounted?: boolean
  /** Whether a client for Redis is handed in; false: no Redis, whatever else says. Default: what variables say. */
  redis?: boolean | undefined
  /** A configuration that has been read already: nothing else is looked at. */
  config?: Config
}

/**
 * Decorates the instance with `config`, read from `.env`, the environment and options, the later ones winning.
 *
 * @throws ConfigError that names the option or variable that can't be honoured
 */
export default fp<ConfigOptions>(async (fastify, options) => {
  fastify.decorate('config', options.config ?? (await readConfig(fastify, options)).config)
}, { name: 'symple-config', fastify: '5.x' })

/** The variables in force, and the configuration that they make. @throws ConfigError as above */
export async function readConfig (
  fastify: FastifyInstance, { settings = {}, env, mounted = false, redis }: ConfigOptions
): Promise<{ variables: Variables, config: Config }> {
  const schemas = schema.properties as unknown as Record<string, VariableSchema>
  const environment = env === undefined ? readEnvironment() : notEmpty(env || {})
  for (const name of Object.keys(environment)) if (mounted && isServerVariable(name)) delete environment[name]
  const { data, given } = overlay(environment, settings, schemas)
  try {
    const variables = await checkVariables(fastify, schema, data)
    return { variables, config: arrange(variables, redis) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // Who gave an option knows it by that name.
    throw new ConfigError(error.message.replace(/\b[A-Z][A-Z_]+\b/g, name => given.get(name) ?? name), { cause: error.cause })
  }
}

function arrange (variables: Variables, supplied: boolean | undefined): Config {
  const redis = redisOf(variables, supplied)
  const jwt = jwtOf(variables)
  if (variables.SYMPLE_AUTHENTICATION && redis === undefined && jwt === undefined) {
    throw new ConfigError('SYMPLE_AUTHENTICATION is on, but there is nothing to check tokens against: set SYMPLE_REDIS_URL, or a key like SYMPLE_JWT_JWKS_URL')
  }
  if (!variables.SYMPLE_AUTHENTICATION && jwt !== undefined) {
    throw new ConfigError('SYMPLE_AUTHENTICATION is off, but there is a key for tokens: clients would come in without one')
  }
  return {
    host: variables.SYMPLE_HOST,
    port: variables.PORT ?? variables.SYMPLE_PORT,
    path: variables.SYMPLE_PATH,
    trustProxy: parseTrustProxy(variables.SYMPLE_TRUST_PROXY),
    logLevel: isDebug(variables.DEBUG) ? 'debug' : variables.LOG_LEVEL,
    tracing: variables.SYMPLE_TRACING,
    playground: variables.SYMPLE_PLAYGROUND ?? variables.NODE_ENV !== 'production',
    tls: variables.SYMPLE_SSL_ENABLED ? readIdentity(variables.SYMPLE_SSL_KEY, variables.SYMPLE_SSL_CERT) : undefined,
    authentication: variables.SYMPLE_AUTHENTICATION,
    jwt,
    sessionTtl: variables.SYMPLE_SESSION_TTL * 60,
    sessionCheck: variables.SYMPLE_SESSION_CHECK,
    dynamicRooms: variables.SYMPLE_DYNAMIC_ROOMS,
    redis,
    apiKeys: keysOf('SYMPLE_API_KEY', variables.SYMPLE_API_KEY, variables.SYMPLE_PATH),
    consoleKeys: keysOf('SYMPLE_CONSOLE_KEY', variables.SYMPLE_CONSOLE_KEY, variables.SYMPLE_PATH),
    allowedOrigins: parseOrigins(variables.SYMPLE_ALLOWED_ORIGINS),
    compression: variables.SYMPLE_COMPRESSION,
    drainSeconds: variables.SYMPLE_DRAIN_SECONDS,
    limits: {
      authTimeout: variables.SYMPLE_AUTH_TIMEOUT,
      hookTimeout: variables.SYMPLE_HOOK_TIMEOUT,
      maxNameLength: variables.SYMPLE_MAX_NAME_LENGTH,
      maxDataSize: variables.SYMPLE_MAX_DATA_SIZE,
      maxRoomsPerPeer: variables.SYMPLE_MAX_ROOMS_PER_PEER,
      probeLimit: variables.SYMPLE_PROBE_LIMIT,
      maxMessageSize: variables.SYMPLE_MAX_MESSAGE_SIZE,
      rateLimit: variables.SYMPLE_RATE_LIMIT,
      rateSeconds: variables.SYMPLE_RATE_SECONDS,
      refreshInterval: variables.SYMPLE_REFRESH_INTERVAL,
      presenceRate: variables.SYMPLE_PRESENCE_RATE,
      maxRecipients: variables.SYMPLE_MAX_RECIPIENTS,
      maxConnections: variables.SYMPLE_MAX_CONNECTIONS,
      maxUnauthenticated: variables.SYMPLE_MAX_UNAUTHENTICATED,
      acceptRate: variables.SYMPLE_ACCEPT_RATE,
      ipConnectionRate: variables.SYMPLE_IP_CONNECTION_RATE,
      ipAuthFailures: variables.SYMPLE_IP_AUTH_FAILURES,
      ipRateSeconds: variables.SYMPLE_IP_RATE_SECONDS,
      ipMaxConnections: variables.SYMPLE_IP_MAX_CONNECTIONS,
      ipMaxUnauthenticated: variables.SYMPLE_IP_MAX_UNAUTHENTICATED,
      maxBuffered: variables.SYMPLE_MAX_BUFFERED,
      pingInterval: variables.SYMPLE_PING_INTERVAL,
      pingTimeout: variables.SYMPLE_PING_TIMEOUT
    }
  }
}

function redisOf (variables: Variables, supplied: boolean | undefined): Config['redis'] {
  const url = supplied === undefined ? redisUrlOf(variables) : supplied ? null : undefined
  if (url === undefined) return undefined
  return {
    url,
    prefix: variables.SYMPLE_REDIS_PREFIX,
    timeout: variables.SYMPLE_REDIS_TIMEOUT,
    nodeTtl: variables.SYMPLE_NODE_TTL,
    required: variables.SYMPLE_REDIS_REQUIRED
  }
}

function redisUrlOf (variables: Variables): RedisUrl | undefined {
  const { SYMPLE_REDIS_HOST: host, SYMPLE_REDIS_PORT: port, SYMPLE_REDIS_PROTOCOL: protocol } = variables
  const places: Record<string, string | undefined> = {
    SYMPLE_REDIS_URL: variables.SYMPLE_REDIS_URL,
    REDIS_URL: variables.REDIS_URL,
    SYMPLE_REDIS_HOST: host && `${protocol}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  }
  const [name, url] = Object.entries(places).find(([, value]) => value !== undefined) ?? []
  if (!url) return undefined
  const parsed = parseRedisUrl(url)
  // The URL may hold a password: it is not repeated.
  if (parsed === undefined) throw new ConfigError(`${name} must be a URL like redis://host:port, rediss://host:port, redis-sentinel://host:port,…/name or redis-cluster://host:port,…`)
  return parsed
}

/** The original takes `DEBUG` as the debug package does: a list of names with wildcards. */
function isDebug (value: string | undefined): boolean {
  return value !== undefined && value.split(/[\s,]+/).some(name => name === '*' || name.startsWith('symple'))
}
