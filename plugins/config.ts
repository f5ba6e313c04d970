import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Limits } from '../src/core/limits.js'
import { keysOf } from './api-keys.js'
import { ConfigError } from './config-error.js'
import { nameWarnings } from './config-names.js'
import { notEmpty } from './environment.js'
import { jwtOf, type JwtConfig } from './jwt-config.js'
import { parseOrigins } from './origins.js'
import { parseRedisUrl, type RedisUrl } from './redis-url.js'
import { schema, type Variables } from './schema.js'
import { isServerVariable, overlay, type Environment } from './settings.js'
import { readIdentity, type Identity } from './tls.js'
import { parseTrustProxy, type TrustProxy } from './trust-proxy.js'
import { checkVariables, readEnvironment } from './variables.js'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
  }
}

export { ConfigError }

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
  /** What may be wrong with all this, a line each; none has a value in it. */
  readonly warnings: readonly string[]
  /** Whether everybody comes in, in production, and nobody has said that this is meant. */
  readonly undecided: boolean
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
  const environment = env === undefined ? readEnvironment() : notEmpty(env || {})
  for (const name of Object.keys(environment)) if (mounted && isServerVariable(name)) delete environment[name]
  const { data, given } = overlay(environment, settings, schema.properties)
  // Who gave an option knows it by that name.
  const named = (text: string) => text.replace(/\b[A-Z][A-Z_]+\b/g, name => given.get(name) ?? name)
  try {
    const variables = await checkVariables(fastify, data)
    const settled = arrange(variables, redis)
    const lost = !mounted && redis === undefined && settled.redis === undefined && 'REDIS_HOST' in environment
    const warnings = [
      ...nameWarnings(environment),
      ...lost ? ['REDIS_HOST is not read: set SYMPLE_REDIS_HOST'] : [],
      ...tlsWarnings(data).map(named)
    ]
    const undecided = isProduction(variables) && data['SYMPLE_AUTHENTICATION'] === undefined
    return { variables, config: { ...settled, warnings, undecided } }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(named(error.message), { cause: error.cause })
  }
}

/** Who turns TLS off in so many words may leave the files where they are. */
function tlsWarnings (data: Readonly<Record<string, unknown>>): string[] {
  const files = ['SYMPLE_SSL_KEY', 'SYMPLE_SSL_CERT'].filter(name => data[name] !== undefined)
  if (files.length === 0 || data['SYMPLE_SSL_ENABLED'] !== undefined) return []
  return [`${files.join(' and ')} without SYMPLE_SSL_ENABLED: this is served over plain HTTP`]
}

function arrange (variables: Variables, supplied: boolean | undefined): Omit<Config, 'warnings' | 'undecided'> {
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
    playground: variables.SYMPLE_PLAYGROUND ?? !isProduction(variables),
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

/** Variables in place of those of the process say nothing of what the process is for, unless they do. */
function isProduction ({ NODE_ENV }: Variables): boolean {
  return (NODE_ENV ?? process.env['NODE_ENV']) === 'production'
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
