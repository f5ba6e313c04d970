/** Where Redis is: one server, the one that Sentinels name, or a Redis Cluster. */
export interface RedisUrl {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  readonly nodes: ReadonlyArray<{ host: string, port: number }>
  readonly username?: string
  readonly password?: string
  /** The number of the database; in a Redis Cluster it is 0. */
  readonly db: number
  /** The name by which Sentinels know the server. */
  readonly name?: string
}

const PATTERN = new RegExp([
  '^redis(?<tls>s?)(?:-(?<kind>sentinel|cluster))?://',
  '(?:(?<credentials>[^@/\\\\\\s]*)@)?',
  '(?<nodes>[^@/?#]+)',
  '(?:/(?<path>[^?#]*))?$'
].join(''))

/** A name or an address, one of IPv6 in brackets; nothing that the parser of URLs passes over or takes for another. */
const HOST = /^(?<host>\[[^\]]+\]|[^\s\\%:[\]]+)(?::(?<port>\d+))?$/

const DEFAULT_PORTS = { single: 6379, sentinel: 26379, cluster: 6379 }

/**
 * Reads `redis://user:password@host:port/db`, `redis-sentinel://host:port,host:port/name/db` or
 * `redis-cluster://host:port,host:port`; with TLS each begins with `rediss`.
 *
 * @returns undefined for anything else
 */
export function parseRedisUrl (url: string): RedisUrl | undefined {
  const { tls, kind: given, credentials = '', nodes: hosts = '', path = '' } = PATTERN.exec(url)?.groups ?? {}
  const kind = (given ?? 'single') as RedisUrl['kind']
  const nodes = hosts.split(',').map(host => parseHost(host, DEFAULT_PORTS[kind]))
  if (kind === 'single' && nodes.length !== 1) return undefined
  const [name, db = '0', ...rest] = kind === 'sentinel' ? path.split('/') : [undefined, path === '' ? '0' : path]
  if (rest.length > 0) return undefined
  if (kind === 'sentinel' && name === '') return undefined
  if (!/^\d+$/.test(db) || (kind === 'cluster' && db !== '0')) return undefined
  // A password may hold colons, a user name may not.
  const [, ...parts] = /^([^:]*):?([^]*)$/.exec(credentials)!
  const [username, password] = parts.map(decode)
  if (username === undefined || password === undefined) return undefined
  if (!nodes.every(node => node !== undefined)) return undefined
  return {
    kind,
    tls: tls === 's',
    nodes,
    db: Number(db),
    ...(username && { username }),
    ...(password && { password }),
    ...(name && { name })
  }
}

function parseHost (text: string, defaultPort: number): { host: string, port: number } | undefined {
  const { host, port = String(defaultPort) } = HOST.exec(text)?.groups ?? {}
  if (host === undefined || port === '0' || !URL.canParse(`http://${host}:${port}`)) return undefined
  const { hostname } = new URL(`http://${host}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
