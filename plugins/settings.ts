import type { Limits } from '../src/core/limits.js'
import { ConfigError } from './config-error.js'

/** Variables as they are in an environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Options that stand for variables: `maxMessageSize` for `SYMPLE_MAX_MESSAGE_SIZE`. The limits are among them. */
export interface Settings extends Limits {
  /** Path at which the WebSocket is served, within the prefix. Default: `/`. */
  path: string
  /**
   * Whether browsers get a page there to try the server out. Default: unless `NODE_ENV` is `production`; where it is
   * not among the variables handed in, that of the process.
   */
  playground: boolean
  /** Whether clients need a token: of a session, or a JSON Web Token. Default: false. */
  authentication: boolean
  /** Minutes that a session lives on after authentication; 0 or less leaves its expiry alone. Default: -1. */
  sessionTtl: number
  /** Seconds after which a connection ends whose session has gone; 0: it stays. Default: 30. */
  sessionCheck: number
  /** Secret that JSON Web Tokens are signed with; 32 bytes or more. Of this and the next two there can be one. */
  jwtSecret: string
  /** Public key or certificate that JSON Web Tokens are checked with: PEM, or a file with it. */
  jwtPublicKey: string
  /** URL at which the issuer of JSON Web Tokens publishes its keys, as a JSON Web Key Set. */
  jwtJwksUrl: string
  /** Algorithms that tokens may have. Default: `HS256` for a secret, else all that fit the key. */
  jwtAlgorithms: string | readonly string[]
  /** Issuers whose tokens are taken. Default: any that have the key. */
  jwtIssuer: string | readonly string[]
  /** Audiences one of which a token must be for. Default: any. */
  jwtAudience: string | readonly string[]
  /** Claim that is the user; dots lead into objects. Default: `sub`. */
  jwtUserClaim: string
  /** Claim that is the display name. Default: `name`. */
  jwtNameClaim: string
  /** Claim with the rooms, an array. Default: `rooms`. */
  jwtRoomsClaim: string
  /** Claim with an object whose fields peers see. Default: none. */
  jwtDataClaim: string
  /** Seconds by which the clock of an issuer may differ. Default: 5. */
  jwtLeeway: number
  /** Whether clients may join and leave rooms. Default: true. */
  dynamicRooms: boolean
  /** Redis to use: a URL that begins with `redis:`, `rediss:`, `redis-sentinel:` or `redis-cluster:`. */
  redisUrl: string
  /** Host of the Redis to use; not beside `redisUrl`. */
  redisHost: string
  /** Port of that host; not beside a URL. Default: 6379. */
  redisPort: number
  /** `rediss`: over TLS; not beside a URL. Default: `redis`. */
  redisProtocol: 'redis' | 'rediss'
  /** Seconds to wait for a connection to Redis, the answer to a command, the answer of another node. Default: 3. */
  redisTimeout: number
  /**
   * First part of all keys and channels in Redis. It alone keeps servers apart: all databases of a Redis share its
   * channels. Default: `symple`.
   */
  redisPrefix: string
  /** Whether the server is not ready while Redis can't be reached. Default: true. */
  redisRequired: boolean
  /** Seconds without a sign of life after which other nodes count a node as gone. Default: 10. */
  nodeTtl: number
  /** Key to the HTTP API, or several, each of at least 32 characters. Default: none, and no HTTP API. */
  apiKey: string | readonly string[]
  /** Key to the console, or several, each of at least 32 characters. Default: none, and no console. */
  consoleKey: string | readonly string[]
  /** Origins whose pages may connect, such as `https://example.com`. Default: any. */
  allowedOrigins: string | readonly string[]
  /** Seconds over which peers are closed at shutdown. Default: 10. */
  drainSeconds: number
  /** Whether to offer permessage-deflate. Default: false. */
  compression: boolean
  /** Whether to trace authentications and messages through @opentelemetry/api. Default: false. */
  tracing: boolean
}

/** Options that stand for variables, of a server on its own: in a gateway, these things are the gateway's. */
export interface ServerSettings {
  /** Port to listen on; 0 takes a free one. Default: 4500. */
  port: number
  /** Address to listen on. Default: `0.0.0.0`. */
  host: string
  /** Whose X-Forwarded-For counts: everybody's, a number of hops (as text), or some addresses. Default: false. */
  trustProxy: boolean | string | readonly string[]
  /** Least level that is logged. Default: `info`. */
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  /** Whether to serve over TLS; needs the two files below. Default: false. */
  sslEnabled: boolean
  /** File with the private key, PEM. */
  sslKey: string
  /** File with the certificate chain, PEM. */
  sslCert: string
}

/** The variables of a server on its own. */
const SERVER_VARIABLES = new Set([
  'PORT', 'SYMPLE_PORT', 'SYMPLE_HOST', 'SYMPLE_TRUST_PROXY', 'LOG_LEVEL', 'DEBUG',
  'SYMPLE_SSL_ENABLED', 'SYMPLE_SSL_KEY', 'SYMPLE_SSL_CERT'
])

/** Variables that would win over the one beside which they stand; not where that one is given as an option. */
const RIVALS: Record<string, readonly string[]> = {
  SYMPLE_PORT: ['PORT'],
  LOG_LEVEL: ['DEBUG'],
  SYMPLE_REDIS_HOST: ['SYMPLE_REDIS_URL', 'REDIS_URL']
}

/** What we read of the schema of a variable. */
export interface VariableSchema {
  readonly type?: string
  readonly flag?: boolean
  /** Types that the option may have beside a string. */
  readonly accepts?: readonly string[]
  readonly default?: unknown
  readonly description: string
  /** Its value is not shown. */
  readonly secret?: boolean
}

/** Whether a variable is for a server on its own alone. */
export function isServerVariable (name: string): boolean {
  return SERVER_VARIABLES.has(name)
}

/** The name of the option that stands for a variable; undefined: none does, since it is another's second name. */
export function optionOf (variable: string): string | undefined {
  const name = variable === 'LOG_LEVEL' ? variable : /^SYMPLE_(.+)$/.exec(variable)?.[1]
  return name?.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

/**
 * Lays options over an environment.
 *
 * @param settings by the names of options; undefined: not given
 * @returns data for the schema, and the names of the options by the variables for which they stand
 * @throws ConfigError for an option of the wrong type
 */
export function overlay (
  environment: Record<string, string>,
  settings: Readonly<Record<string, unknown>>,
  schemas: Record<string, VariableSchema>
): { data: Record<string, unknown>, given: Map<string, string> } {
  const data: Record<string, unknown> = { ...environment }
  const given = new Map<string, string>()
  for (const [variable, schema] of Object.entries(schemas)) {
    const option = optionOf(variable)
    if (option === undefined || settings[option] === undefined) continue
    data[variable] = valueOf(option, settings[option], schema)
    given.set(variable, option)
  }
  for (const variable of given.keys()) {
    for (const rival of RIVALS[variable] ?? []) if (!given.has(rival)) delete data[rival]
  }
  checkRedis(data, given)
  return { data, given }
}

/** What is said of a host counts for nothing beside a URL. A variable may be there for others; an option is not. */
function checkRedis (data: Readonly<Record<string, unknown>>, given: ReadonlyMap<string, string>): void {
  const url = ['SYMPLE_REDIS_URL', 'REDIS_URL'].find(name => data[name] !== undefined)
  for (const variable of ['SYMPLE_REDIS_HOST', 'SYMPLE_REDIS_PORT', 'SYMPLE_REDIS_PROTOCOL']) {
    const option = given.get(variable)
    if (option === undefined) continue
    if (url !== undefined) throw new ConfigError(`${option} and ${given.get(url) ?? url} can not both be given`)
    if (data['SYMPLE_REDIS_HOST'] === undefined) throw new ConfigError(`${option} is given without redisHost`)
  }
}

/** The checks of the schema convert text into anything; an option has its type already. */
function valueOf (option: string, value: unknown, schema: VariableSchema): unknown {
  const types = typesOf(schema)
  const type = Array.isArray(value) ? 'array' : typeof value
  if (!types.includes(type)) throw new ConfigError(`${option} must be ${types.map(article).join(' or ')}`)
  if (!Array.isArray(value)) return type === 'boolean' && schema.flag === undefined ? String(value) : value
  if (!value.every(item => typeof item === 'string')) throw new ConfigError(`${option} must hold nothing but strings`)
  // The variable is a list with commas: it would be two of them.
  if (value.some(item => item.includes(','))) throw new ConfigError(`${option} must hold nothing with a comma in it`)
  return value.join(',')
}

function typesOf ({ type, flag, accepts = [] }: VariableSchema): string[] {
  if (flag === true) return ['boolean']
  return type === 'number' || type === 'integer' ? ['number'] : ['string', ...accepts]
}

function article (type: string): string {
  return type === 'array' ? 'an array' : `a ${type}`
}
