import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { parseEnv } from 'node:util'
import env from '@fastify/env'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type, { type Static } from 'typebox'
import { DEFAULT_LIMITS, type Limits } from '../src/core/limits.js'
import { parseRedisUrl, type RedisUrl } from './redis-url.js'
import { addEnvironmentKeywords, Choice, Flag, flagOf, notEmpty } from './environment.js'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
  }
}

/** What can't be honoured in the environment; the message names the variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** As many seconds as Node's timers can wait for, and as much of anything as the WebSocket library can count. */
const MAX_SECONDS = 2e6
const MAX_COUNT = 2 ** 31 - 1

const seconds = (value: number, description: string) =>
  Type.Number({ default: value, minimum: 0, maximum: MAX_SECONDS, description })
const count = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 0, maximum: MAX_COUNT, description })
const port = (description: string) => Type.Integer({ minimum: 0, maximum: 65535, description })
const text = (description: string) => Type.Optional(Type.String({ description }))

/** A path without the signs of route patterns, and not one of the server's own. */
const PATH_PATTERN = '^/(?!(healthz|readyz|metrics)/?$)[^\\s:*?#()%]*$'

/** Every environment variable: its type, default, bounds and meaning. The one source of all four. */
export const schema = Type.Object({
  PORT: Type.Optional(port('Port to listen on; wins over SYMPLE_PORT.')),
  SYMPLE_PORT: Type.Integer({ default: 4500, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 takes a free one.' }),
  SYMPLE_HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on.' }),
  SYMPLE_PATH: Type.String({ default: '/', pattern: PATH_PATTERN, description: 'Path at which the WebSocket is served.' }),
  SYMPLE_TRUST_PROXY: Type.String({
    default: 'false',
    description: 'Whose X-Forwarded-For counts: a boolean, a number of hops, or a list of addresses.'
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info', description: 'Least level that is logged.'
  }),
  DEBUG: text('"symple:*" turns on the log level debug.'),
  NODE_ENV: text('"production" makes the default of SYMPLE_PLAYGROUND off.'),
  SYMPLE_PLAYGROUND: Type.Optional(Choice('Browsers get a page at SYMPLE_PATH to try the server out; on, unless NODE_ENV says otherwise.')),

  SYMPLE_AUTHENTICATION: Flag(false, 'Clients need the token of a session.'),
  SYMPLE_SESSION_TTL: Type.Number({
    default: -1, maximum: MAX_COUNT, description: 'Minutes that a session lives on after authentication; 0 or less leaves its expiry alone.'
  }),
  SYMPLE_DYNAMIC_ROOMS: Flag(true, 'Clients may join and leave rooms.'),

  SYMPLE_SESSION_CHECK: seconds(30, 'Seconds after which a connection ends whose session has gone; 0: it stays.'),
  SYMPLE_REDIS_URL: text('Redis to use; wins over REDIS_URL. Without any, the server stands alone.'),
  REDIS_URL: text('As SYMPLE_REDIS_URL.'),
  SYMPLE_REDIS_HOST: text('Host of the Redis to use, where no URL is given.'),
  SYMPLE_REDIS_PORT: Type.Integer({ default: 6379, minimum: 1, maximum: 65535, description: 'Port of that Redis.' }),
  SYMPLE_REDIS_PROTOCOL: Type.Enum(['redis', 'rediss'], { default: 'redis', description: 'rediss: over TLS.' }),
  SYMPLE_REDIS_TIMEOUT: Type.Number({ default: 3, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds to wait for Redis at authentication.' }),

  SYMPLE_REDIS_PREFIX: Type.String({ default: 'symple', minLength: 1, description: 'First part of all keys and channels in Redis.' }),
  SYMPLE_REDIS_REQUIRED: Flag(true, 'Not ready while Redis can not be reached.'),
  SYMPLE_NODE_TTL: Type.Number({ default: 10, minimum: 1, maximum: MAX_SECONDS, description: 'Seconds without a sign of life after which other nodes count a node as gone.' }),

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
  SYMPLE_MAX_CONNECTIONS: count(DEFAULT_LIMITS.maxConnections, 'Connections at a time.'),
  SYMPLE_MAX_BUFFERED: count(DEFAULT_LIMITS.maxBuffered, 'Unsent bytes to one peer, past which it is cut.'),
  SYMPLE_ALLOWED_ORIGINS: Type.String({ default: '', description: 'Origins whose pages may connect, comma-separated; empty: any.' }),
  SYMPLE_PING_INTERVAL: seconds(DEFAULT_LIMITS.pingInterval, 'Seconds between two pings to a peer.'),
  SYMPLE_PING_TIMEOUT: seconds(DEFAULT_LIMITS.pingTimeout, 'Seconds that a peer has to answer a ping.'),
  SYMPLE_DRAIN_SECONDS: seconds(10, 'Seconds over which peers are closed at shutdown.'),
  SYMPLE_COMPRESSION: Flag(false, 'Offer permessage-deflate: less traffic for much memory and processor time.')
})

type Variables = Static<typeof schema>

/** Times in seconds. */
export interface RedisConfig {
  readonly url: RedisUrl
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
  readonly trustProxy: boolean | number | string[]
  readonly logLevel: Variables['LOG_LEVEL']
  /** Whether browsers get a page on which to try the server out. */
  readonly playground: boolean
  readonly tls: { key: Buffer, cert: Buffer } | undefined
  readonly authentication: boolean
  /** Seconds; 0 or less: the session's own expiry rules. */
  readonly sessionTtl: number
  /** Seconds. */
  readonly sessionCheck: number
  readonly dynamicRooms: boolean
  readonly redis: RedisConfig | undefined
  readonly allowedOrigins: readonly string[]
  readonly compression: boolean
  readonly drainSeconds: number
  readonly limits: Limits
}

export interface ConfigOptions {
  /** Variables that win over those of the process and of `.env`. */
  env?: Record<string, string>
  /** A configuration that has been read already: nothing else is looked at. */
  config?: Config
}

/**
 * Decorates the instance with `config`, read from `.env`, the environment and options, the later ones winning.
 *
 * @throws ConfigError that names the variable that can't be honoured
 */
export default fp<ConfigOptions>(async (fastify, options) => {
  fastify.decorate('config', options.config ?? arrange(await readVariables(fastify, options)))
}, { name: 'symple-config', fastify: '5.x' })

async function readVariables (fastify: FastifyInstance, options: ConfigOptions): Promise<Variables> {
  let variables: Variables | undefined
  // In a scope of its own: what @fastify/env decorates stays there.
  await fastify.register(async scope => {
    try {
      await scope.register(env, {
        schema,
        confKey: 'variables',
        env: false,
        // Its own reading of `.env` would take what is set to nothing for a value.
        dotenv: false,
        data: { ...readDotenv(), ...notEmpty(process.env), ...notEmpty(options.env ?? {}) },
        ajv: { customOptions: addEnvironmentKeywords }
      })
    } catch (error) {
      throw explain(error)
    }
    variables = scope.getDecorator<Variables>('variables')
  })
  // Ajv takes "Infinity" and "1e999" for numbers, and holds no bound against them.
  const infinite = Object.entries(variables!).find(([, value]) => typeof value === 'number' && !isFinite(value))
  if (infinite !== undefined) throw new ConfigError(`${infinite[0]} must be a finite number`)
  return variables!
}

function readDotenv (): Record<string, string> {
  try {
    return notEmpty(parseEnv(readFileSync('.env', 'utf8')))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new ConfigError(`.env can't be read (${code})`, { cause })
  }
}

/** What Ajv says in words that help nobody. */
const PROBLEMS: Record<string, string> = {
  pattern: 'must be a path like /realtime: without spaces and any of : * ? # ( ) %, and not one of the server\'s own'
}

interface SchemaError {
  keyword?: string
  instancePath: string
  message?: string
  params?: { allowedValues?: string[] }
}

/** What Ajv found, as one line about the first variable that is wrong. */
function explain (error: unknown): unknown {
  const { errors } = error as { errors?: SchemaError[] }
  const first = errors?.[0]
  if (first === undefined) return error
  const allowed = first.params?.allowedValues
  const problem = allowed === undefined
    ? PROBLEMS[first.keyword ?? ''] ?? first.message
    : `must be one of ${allowed.join(', ')}`
  return new ConfigError(`${first.instancePath.slice(1)} ${problem}`)
}

function arrange (variables: Variables): Config {
  const redis = redisOf(variables)
  if (variables.SYMPLE_AUTHENTICATION && redis === undefined) {
    throw new ConfigError('SYMPLE_AUTHENTICATION is on, but there is nothing to check tokens against: set SYMPLE_REDIS_URL')
  }
  return {
    host: variables.SYMPLE_HOST,
    port: variables.PORT ?? variables.SYMPLE_PORT,
    path: variables.SYMPLE_PATH,
    trustProxy: trustProxyOf(variables.SYMPLE_TRUST_PROXY),
    logLevel: isDebug(variables.DEBUG) ? 'debug' : variables.LOG_LEVEL,
    playground: variables.SYMPLE_PLAYGROUND ?? variables.NODE_ENV !== 'production',
    tls: variables.SYMPLE_SSL_ENABLED ? tlsOf(variables) : undefined,
    authentication: variables.SYMPLE_AUTHENTICATION,
    sessionTtl: variables.SYMPLE_SESSION_TTL * 60,
    sessionCheck: variables.SYMPLE_SESSION_CHECK,
    dynamicRooms: variables.SYMPLE_DYNAMIC_ROOMS,
    redis,
    allowedOrigins: listOf(variables.SYMPLE_ALLOWED_ORIGINS).map(originOf),
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
      maxConnections: variables.SYMPLE_MAX_CONNECTIONS,
      maxBuffered: variables.SYMPLE_MAX_BUFFERED,
      pingInterval: variables.SYMPLE_PING_INTERVAL,
      pingTimeout: variables.SYMPLE_PING_TIMEOUT
    }
  }
}

function redisOf (variables: Variables): Config['redis'] {
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
  return {
    url: parsed,
    prefix: variables.SYMPLE_REDIS_PREFIX,
    timeout: variables.SYMPLE_REDIS_TIMEOUT,
    nodeTtl: variables.SYMPLE_NODE_TTL,
    required: variables.SYMPLE_REDIS_REQUIRED
  }
}

function trustProxyOf (value: string): Config['trustProxy'] {
  const flag = flagOf(value)
  if (flag !== undefined) return flag
  if (/^\d+$/.test(value.trim())) return Number(value)
  const addresses = listOf(value)
  const wrong = addresses.find(address => !isProxyAddress(address))
  if (wrong === undefined && addresses.length > 0) return addresses
  throw new ConfigError('SYMPLE_TRUST_PROXY must be a boolean, a number of hops, or a list of addresses')
}

/** As proxy-addr, which Fastify asks, takes it: an address, a subnet, or a name for some. */
function isProxyAddress (value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/')
  if (['loopback', 'linklocal', 'uniquelocal'].includes(value)) return true
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)) || isIP(prefix) === family
}

function tlsOf (variables: Variables): { key: Buffer, cert: Buffer } {
  const key = readPem('SYMPLE_SSL_KEY', variables.SYMPLE_SSL_KEY)
  const cert = readPem('SYMPLE_SSL_CERT', variables.SYMPLE_SSL_CERT)
  check('SYMPLE_SSL_CERT', 'is no certificate in PEM', () => createSecureContext({ cert }))
  check('SYMPLE_SSL_KEY', 'is no private key in PEM that fits SYMPLE_SSL_CERT', () => createSecureContext({ key, cert }))
  return { key, cert }
}

function readPem (name: string, path: string | undefined): Buffer {
  if (!path) throw new ConfigError(`${name} is missing, and SYMPLE_SSL_ENABLED is on`)
  return check(name, 'names a file that can\'t be read', () => readFileSync(path))
}

function check<T> (name: string, problem: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (cause) {
    throw new ConfigError(`${name} ${problem} (${(cause as { code?: string }).code ?? 'invalid'})`, { cause })
  }
}

function originOf (value: string): string {
  const origin = URL.canParse(value) ? new URL(value).origin : 'null'
  if (origin === 'null') throw new ConfigError('SYMPLE_ALLOWED_ORIGINS must be a list of origins like https://example.com')
  return origin
}

function listOf (value: string): string[] {
  return value.split(',').map(item => item.trim()).filter(item => item !== '')
}

/** The original takes `DEBUG` as the debug package does: a list of names with wildcards. */
function isDebug (value: string | undefined): boolean {
  return value !== undefined && value.split(/[\s,]+/).some(name => name === '*' || name.startsWith('symple'))
}
