import type { XStatic } from 'typebox/schema'
import { DEFAULT_LIMITS } from '../src/core/limits.js'
import type { VariableSchema } from './settings.js'

/** As many seconds as Node's timers can wait for, and as much of anything as the WebSocket library can count. */
const MAX_SECONDS = 2e6
const MAX_COUNT = 2 ** 31 - 1

const number = <const O>(options: O) => ({ type: 'number', ...options }) as const
const integer = <const O>(options: O) => ({ type: 'integer', ...options }) as const
const string = <const O>(options: O) => ({ type: 'string', ...options }) as const
const seconds = (value: number, description: string) =>
  number({ default: value, minimum: 0, maximum: MAX_SECONDS, description })
const count = (value: number, description: string) =>
  integer({ default: value, minimum: 0, maximum: MAX_COUNT, description })
const text = (description: string) => string({ description })
const claim = (value: string, description: string) => string({ default: value, minLength: 1, description })
const oneOf = <const V extends readonly string[]>(values: V, value: V[number], description: string) =>
  ({ enum: values, default: value, description })
/** A boolean in any of its spellings. */
const flag = (value: boolean, description: string) => string({ flag: true, default: String(value), description })
/** The same without a default of its own. */
const choice = (description: string) => string({ flag: true, description })
/** A comma-separated list; as an option it may be an array. */
const list = (description: string) => string({ default: '', accepts: ['array'], description })
/** The same where, if it is given, it must not be empty. */
const names = (description: string) => string({ accepts: ['array'], description })
const secret = (description: string, accepts: string[] = []) => string({ secret: true, accepts, description })

/** A path without the signs of route patterns, and not one of the server's own. */
const PATH_PATTERN = '^/(?!(healthz|readyz|metrics)/?$)[^\\s:*?#()%]*$'

/**
 * Every environment variable, and with it the option that stands for it: its type, default, bounds and meaning. The one
 * source of all four.
 */
const properties = {
  PORT: integer({ minimum: 0, maximum: 65535, description: 'Port to listen on; wins over SYMPLE_PORT.' }),
  SYMPLE_PORT: integer({ default: 4500, minimum: 0, maximum: 65535, description: 'Port to listen on; 0 takes a free one.' }),
  SYMPLE_HOST: string({ default: '0.0.0.0', description: 'Address to listen on.' }),
  SYMPLE_PATH: string({ default: '/', pattern: PATH_PATTERN, description: 'Path at which the WebSocket is served.' }),
  SYMPLE_TRUST_PROXY: string({
    default: 'false',
    accepts: ['boolean', 'array'],
    description: 'Whose X-Forwarded-For counts: a boolean, a number of hops, or a list of addresses.'
  }),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info', 'Least level that is logged.'),
  DEBUG: text('"symple:*" turns on the log level debug.'),
  SYMPLE_TRACING: flag(false, 'Trace authentications and messages through @opentelemetry/api.'),
  NODE_ENV: text('"production" makes the default of SYMPLE_PLAYGROUND off.'),
  SYMPLE_PLAYGROUND: choice('Browsers get a page at SYMPLE_PATH to try the server out; on, unless NODE_ENV says otherwise.'),

  SYMPLE_AUTHENTICATION: flag(false, 'Clients need a token: of a session, or a JSON Web Token.'),
  SYMPLE_SESSION_TTL: number({
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
  SYMPLE_DYNAMIC_ROOMS: flag(true, 'Clients may join and leave rooms.'),
  SYMPLE_SESSION_CHECK: seconds(30, 'Seconds after which a connection ends whose session has gone; 0: it stays.'),
  SYMPLE_REDIS_URL: secret('Redis to use; wins over REDIS_URL. Without any, the server stands alone.'),
  REDIS_URL: secret('As SYMPLE_REDIS_URL.'),
  SYMPLE_REDIS_HOST: text('Host of the Redis to use, where no URL is given.'),
  SYMPLE_REDIS_PORT: integer({ default: 6379, minimum: 1, maximum: 65535, description: 'Port of that Redis.' }),
  SYMPLE_REDIS_PROTOCOL: oneOf(['redis', 'rediss'], 'redis', 'rediss: over TLS.'),
  SYMPLE_REDIS_TIMEOUT: number({ default: 3, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds to wait for a connection to Redis, the answer to a command, the answer of another node.' }),
  SYMPLE_REDIS_PREFIX: string({ default: 'symple', minLength: 1, description: 'First part of all keys and channels in Redis. It alone keeps servers apart: all databases of a Redis share its channels.' }),
  SYMPLE_REDIS_REQUIRED: flag(true, 'Not ready while Redis can not be reached.'),
  SYMPLE_NODE_TTL: number({ default: 10, minimum: 1, maximum: MAX_SECONDS, description: 'Seconds without a sign of life after which a node is gone; others notice it within twice that.' }),

  SYMPLE_API_KEY: secret('Key to the HTTP API, or several, comma-separated. Without any, there is no HTTP API.', ['array']),
  SYMPLE_CONSOLE_KEY: secret('Key to the console, a page for operators, or several, comma-separated. Without any, there is no console.', ['array']),

  SYMPLE_SSL_ENABLED: flag(false, 'Serve over TLS.'),
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
  SYMPLE_RATE_SECONDS: number({ default: DEFAULT_LIMITS.rateSeconds, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds that SYMPLE_RATE_LIMIT is for.' }),
  SYMPLE_REFRESH_INTERVAL: seconds(DEFAULT_LIMITS.refreshInterval, 'Seconds between two fresh tokens of a peer.'),
  SYMPLE_PRESENCE_RATE: count(DEFAULT_LIMITS.presenceRate, 'Joins, leaves and published presences that a peer may send in SYMPLE_RATE_SECONDS.'),
  SYMPLE_MAX_RECIPIENTS: count(DEFAULT_LIMITS.maxRecipients, 'Names in the to of one message.'),
  SYMPLE_MAX_CONNECTIONS: count(DEFAULT_LIMITS.maxConnections, 'Connections at a time.'),
  SYMPLE_MAX_UNAUTHENTICATED: count(DEFAULT_LIMITS.maxUnauthenticated, 'Connections at a time that have not authenticated; one more ends the oldest of them.'),
  SYMPLE_ACCEPT_RATE: count(DEFAULT_LIMITS.acceptRate, 'New connections a second.'),
  SYMPLE_IP_CONNECTION_RATE: count(DEFAULT_LIMITS.ipConnectionRate, 'New connections from one address in SYMPLE_IP_RATE_SECONDS.'),
  SYMPLE_IP_AUTH_FAILURES: count(DEFAULT_LIMITS.ipAuthFailures, 'Refused authentications from one address in SYMPLE_IP_RATE_SECONDS.'),
  SYMPLE_IP_RATE_SECONDS: number({ default: DEFAULT_LIMITS.ipRateSeconds, exclusiveMinimum: 0, maximum: MAX_SECONDS, description: 'Seconds that these two are for.' }),
  SYMPLE_IP_MAX_CONNECTIONS: count(DEFAULT_LIMITS.ipMaxConnections, 'Connections from one address at a time.'),
  SYMPLE_IP_MAX_UNAUTHENTICATED: count(DEFAULT_LIMITS.ipMaxUnauthenticated, 'Those of them that have not authenticated.'),
  SYMPLE_MAX_BUFFERED: count(DEFAULT_LIMITS.maxBuffered, 'Unsent bytes to one peer, past which it is cut.'),
  SYMPLE_ALLOWED_ORIGINS: list('Origins whose pages may connect, comma-separated; empty: any.'),
  SYMPLE_PING_INTERVAL: seconds(DEFAULT_LIMITS.pingInterval, 'Seconds between two pings to a peer.'),
  SYMPLE_PING_TIMEOUT: seconds(DEFAULT_LIMITS.pingTimeout, 'Seconds that a peer has to answer a ping.'),
  SYMPLE_DRAIN_SECONDS: seconds(10, 'Seconds over which peers are closed at shutdown.'),
  SYMPLE_COMPRESSION: flag(false, 'Offer permessage-deflate: less traffic for much memory and processor time.')
}

/** As JSON Schema: the library that has words for it would be a sixth of an idle server's memory. */
export const schema = {
  type: 'object',
  properties: properties satisfies Record<string, VariableSchema>
} as const

type Properties = typeof properties
/** Those that are there in any case. */
type Defaulted = { [V in keyof Properties]: Properties[V] extends { default: unknown } ? V : never }[keyof Properties]
type Value<S> = S extends { flag: true } ? boolean : XStatic<S>

/** The values of the variables, checked, with their defaults. */
export type Variables =
  { [V in Defaulted]: Value<Properties[V]> } & { [V in Exclude<keyof Properties, Defaulted>]?: Value<Properties[V]> }
