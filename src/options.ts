import type { Registry } from 'prom-client'
import { ConfigError } from '../plugins/config-error.js'
import type { RedisTemplate } from '../plugins/redis-template.js'
import { schema } from '../plugins/schema.js'
import { isServerVariable, optionOf, type Environment, type ServerSettings, type Settings } from '../plugins/settings.js'
import { SERVICE_OPTIONS, type ServiceOptions } from '../plugins/symple.js'

/** Each may be left out, or undefined. */
type Optional<T> = { [K in keyof T]?: T[K] | undefined }

/** What a server has wherever it stands. Options win over variables: of the process, and then of `.env`. */
export interface CommonOptions extends Optional<Settings>, Optional<ServiceOptions> {
  /**
   * Variables in place of those of the process and of `.env`; false: none. Without a `NODE_ENV` among them, that of the
   * process says whether the playground is on by default.
   */
  env?: Environment | false | undefined
  /**
   * A registry of prom-client that gets the server's metrics, labelled `mount` with the prefix. Those of the process
   * are not put into it: that is for its owner, by `collectDefaultMetrics({ register: registry })` of prom-client.
   * Without them, alerts and panels that ask for memory, processor time, starts and the event loop show nothing.
   */
  registry?: Registry | undefined
  /** Whether there are `/healthz` and `/readyz`. Default: true. */
  probes?: boolean | undefined
}

/** Options of the plugin. Where it listens, TLS and whom it trusts as a proxy are the gateway's. */
export interface SymplePluginOptions extends CommonOptions {
  /** What the paths of all routes begin with, such as `/realtime`. */
  prefix?: string
  /** What the gateway is decorated with. Default: `symple`. */
  decorator?: string | undefined
  /**
   * Whether there is `/metrics` under the prefix. Default: true, but false with a `registry`, which the gateway shows
   * itself. Metrics of the process are not in it, unless the gateway has put them into the registry.
   */
  metrics?: boolean | undefined
  /** Least level that is logged here. Default: that of the gateway. */
  logLevel?: ServerSettings['logLevel']
  /**
   * A client of ioredis, to whose Redis two connections of our own are opened: the client itself is left alone. True:
   * the one that the gateway has registered with @fastify/redis; a string: its namespace there. False: no Redis,
   * whatever variables say. Default: what `redisUrl` and variables say.
   */
  redis?: RedisTemplate | boolean | string | undefined
}

/** Options of a server on its own. */
export interface ServerOptions extends CommonOptions, Optional<ServerSettings> {
  /** Whether there is `/metrics`: the `registry`, or else the server's and the process's. Default: true. */
  metrics?: boolean | undefined
  /**
   * A client of ioredis, to whose Redis two connections of our own are opened: the client itself is left alone. False:
   * no Redis, whatever variables say. Default: what `redisUrl` and variables say.
   */
  redis?: RedisTemplate | false | undefined
}

const COMMON = ['env', 'redis', 'registry', 'probes', 'metrics', ...SERVICE_OPTIONS]
/** Those that Fastify has for any plugin. */
export const SCOPE_OPTIONS = ['prefix', 'logLevel', 'logSerializers']
const MOUNTED = ['decorator', ...SCOPE_OPTIONS]
/** Those that say where Redis is. */
const REDIS_PLACES = ['redisUrl', 'redisHost', 'redisPort', 'redisProtocol']

const LEVELS: readonly unknown[] = schema.properties.LOG_LEVEL.enum

const SETTINGS = new Map(Object.keys(schema.properties).flatMap(variable => {
  const option = optionOf(variable)
  return option === undefined ? [] : [[option, variable] as const]
}))

/** Options, taken apart by whom they are for. */
export interface SortedOptions {
  settings: Readonly<Record<string, unknown>>
  service: ServiceOptions
}

/** @throws ConfigError for an option that does not exist, not here, or not beside another */
export function sortOptions (options: SymplePluginOptions | ServerOptions, mounted: boolean): SortedOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) checkOption(name, value, mounted)
  const pick = (matches: (name: string) => boolean) => Object.fromEntries(given.filter(([name]) => matches(name)))
  const settings: SortedOptions['settings'] = pick(name => SETTINGS.has(name) && !(mounted && MOUNTED.includes(name)))
  const place = options.redis === undefined ? undefined : REDIS_PLACES.find(name => name in settings)
  if (place !== undefined) throw new ConfigError(`redis and ${place} can not both be given`)
  return { settings, service: pick(name => SERVICE_OPTIONS.includes(name)) }
}

function checkOption (name: string, value: unknown, mounted: boolean): void {
  const problem = problemOf(name, value, mounted)
  if (problem !== undefined) throw new ConfigError(`${name} must be ${problem}`)
  if (COMMON.includes(name) || (mounted && MOUNTED.includes(name))) return
  const variable = SETTINGS.get(name)
  if (variable === undefined) throw new ConfigError(`${name} is no option of symple-server`)
  if (mounted && isServerVariable(variable)) throw new ConfigError(`${name} is for the gateway to decide: set it where Fastify is created`)
}

/** What an option that stands for no variable would have to be; undefined: it is that, or stands for one. */
function problemOf (name: string, value: unknown, mounted: boolean): string | undefined {
  switch (name) {
    case 'probes':
    case 'metrics': return typeof value === 'boolean' ? undefined : 'a boolean'
    case 'env': return isEnvironment(value) ? undefined : 'an object of strings, or false'
    case 'registry': return isRegistry(value) ? undefined : 'a Registry of prom-client'
  }
  if (SERVICE_OPTIONS.includes(name)) return value === null || typeof value === 'function' ? undefined : 'a function'
  if (!mounted) return undefined
  switch (name) {
    case 'decorator': return typeof value === 'string' && value !== '' ? undefined : 'a non-empty string'
    case 'prefix': return typeof value === 'string' ? undefined : 'a string'
    case 'logLevel': return LEVELS.includes(value) ? undefined : `one of ${LEVELS.join(', ')}`
  }
  return undefined
}

function isEnvironment (value: unknown): boolean {
  if (value === false) return true
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every(variable => variable === undefined || typeof variable === 'string')
}

/** Of whichever version the gateway has. */
function isRegistry (value: unknown): boolean {
  const { registerMetric, getSingleMetric } = (value ?? {}) as Partial<Registry>
  return typeof registerMetric === 'function' && typeof getSingleMetric === 'function'
}

/** What is to be duplicated. @throws ConfigError for what is no client, nor the name of one */
export function redisTemplate (
  redis: SymplePluginOptions['redis'], registered: unknown
): RedisTemplate | false | undefined {
  if (redis === undefined || redis === false) return redis
  const named = typeof redis === 'string' ? (registered as Record<string, unknown> | undefined)?.[redis] : registered
  const client = typeof redis === 'string' || redis === true ? named : redis
  if (isTemplate(client)) return client
  if (client === redis) throw new ConfigError('redis must be a client of ioredis, true, a namespace, or false')
  throw new ConfigError(`redis is ${JSON.stringify(redis)}, but no such client is registered with @fastify/redis`)
}

function isTemplate (value: unknown): value is RedisTemplate {
  return typeof (value as Partial<RedisTemplate> | null | undefined)?.duplicate === 'function'
}
