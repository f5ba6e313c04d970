import { isIP } from 'node:net'
import { ConfigError } from './config-error.js'
import { flagOf, listOf } from './environment.js'

/** Whose X-Forwarded-For counts: everybody's or nobody's, that of so many hops, or that of some addresses. */
export type TrustProxy = boolean | number | string[]

/** @throws ConfigError for a text that means none of these */
export function parseTrustProxy (value: string): TrustProxy {
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
