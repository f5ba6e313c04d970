/** The bounds of PROTOCOL.md, "Limits"; each is an option too. 0 turns a bound off. */
export interface Limits {
  /** Seconds that a new connection has for its `auth`. Default: 10. */
  authTimeout: number
  /** Seconds that a hook of the application has for its answer. Default: 5. */
  hookTimeout: number
  /** Bytes of UTF-8 in a user, a name or the name of a room. Default: 256. */
  maxNameLength: number
  /** Bytes of `auth.data` and of presence `data`, serialised. Default: 8192. */
  maxDataSize: number
  /** Ordinary rooms that one peer is in at a time. Default: 256. */
  maxRoomsPerPeer: number
  /** Peers up to which a presence keeps its `probe`. Default: 100. */
  probeLimit: number
  /** Bytes of one message from a client. Default: 65536. */
  maxMessageSize: number
  /** Messages that one peer may send in `rateSeconds`. Default: 1000. */
  rateLimit: number
  /** Seconds in which `rateLimit` messages are refilled; not 0. Default: 10. */
  rateSeconds: number
  /** Seconds between two fresh tokens of a peer that are checked. Default: 1. */
  refreshInterval: number
  /** Joins, leaves and publications of presence that one peer may make in `rateSeconds`. Default: 500. */
  presenceRate: number
  /** Names in the `to` of one message. Default: 512. */
  maxRecipients: number
  /** Connections at a time. Default: 0, no limit. */
  maxConnections: number
  /** Connections at a time that have not authenticated; one more ends the oldest of them. Default: 5000. */
  maxUnauthenticated: number
  /** New connections a second. Default: 0, no limit. */
  acceptRate: number
  /** New connections from one network (an IPv4 address, or an IPv6 /64) in `ipRateSeconds`. Default: 0, no limit. */
  ipConnectionRate: number
  /** Refused attempts to authenticate from one network in `ipRateSeconds`. Default: 0, no limit. */
  ipAuthFailures: number
  /** Seconds in which `ipConnectionRate` and `ipAuthFailures` are refilled; not 0. Default: 60. */
  ipRateSeconds: number
  /** Connections from one network at a time. Default: 0, no limit. */
  ipMaxConnections: number
  /** Those of them that have not authenticated. Default: 0, no limit. */
  ipMaxUnauthenticated: number
  /** Unsent bytes to one peer, past which it is a slow consumer and cut. Default: 4194304. */
  maxBuffered: number
  /** Seconds between two pings to a peer. Default: 25. */
  pingInterval: number
  /** Seconds that a peer has to answer a ping. Default: 8. */
  pingTimeout: number
}

export const DEFAULT_LIMITS: Readonly<Limits> = {
  authTimeout: 10,
  hookTimeout: 5,
  maxNameLength: 256,
  maxDataSize: 8192,
  maxRoomsPerPeer: 256,
  probeLimit: 100,
  maxMessageSize: 65536,
  rateLimit: 1000,
  rateSeconds: 10,
  refreshInterval: 1,
  presenceRate: 500,
  maxRecipients: 512,
  maxConnections: 0,
  maxUnauthenticated: 5000,
  acceptRate: 0,
  ipConnectionRate: 0,
  ipAuthFailures: 0,
  ipRateSeconds: 60,
  ipMaxConnections: 0,
  ipMaxUnauthenticated: 0,
  maxBuffered: 4 * 1024 * 1024,
  pingInterval: 25,
  pingTimeout: 8
}

/** The same limits with "off" as `Infinity`, so that each check is one comparison. */
export function resolveLimits (limits: Partial<Limits> = {}): Limits {
  const resolved = { ...DEFAULT_LIMITS, ...limits }
  for (const key of Object.keys(resolved) as Array<keyof Limits>) {
    if (resolved[key] === 0) resolved[key] = Infinity
  }
  return resolved
}
