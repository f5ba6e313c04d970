import { isIP, isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** An address as some proxies write it, with the port: `192.0.2.7:4711`, `[2001:db8::7]:4711`. */
const WITH_PORT = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[\d.]+))(?::\d+)?$/

/**
 * The address of a client. Where a proxy is trusted, it is what stands in `X-Forwarded-For`, of which a client can have
 * written any part: what is no address there is passed over for that of the connection.
 */
export function clientAddress ({ ip, raw }: Pick<FastifyRequest, 'ip' | 'raw'>): string {
  if (isIPv4(ip)) return ip
  const { v4, v6 } = WITH_PORT.exec(ip)?.groups ?? {}
  const told = v4 ?? v6 ?? ip
  const address = isIP(told) === 0 ? raw.socket.remoteAddress ?? '' : told
  return address.replace(/^::ffff:(?=[\d.]+$)/i, '')
}
