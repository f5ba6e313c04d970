/** The bounds of PROTOCOL.md, "Limits". 0 turns a bound off. */
export interface Limits {
  /** Seconds that a new connection has for its `auth`. */
  authTimeout: number
  /** Seconds that a hook of the application has for its answer. */
  hookTimeout: number
  /** Bytes of UTF-8 in a user, a name or the name of a room. */
  maxNameLength: number
  /** Bytes of `auth.data` and of presence `data`, serialised. */
  maxDataSize: number
  /** Ordinary rooms that one peer is in at a time. */
  maxRoomsPerPeer: number
  /** Peers up to which a presence keeps its `probe`. */
  probeLimit: number
  /** Bytes of one message from a client. */
  maxMessageSize: number
  /** Messages that one peer may send in `rateSeconds`. */
  rateLimit: number
  /** Seconds in which `rateLimit` messages are refilled. */
  rateSeconds: number
  /** Seconds between two times that a peer asks to have a fresh token checked. */
  refreshInterval: number
  /** Joins, leaves and publications of presence that one peer may make in `rateSeconds`. */
  presenceRate: number
  /** Names in the `to` of one message. */
  maxRecipients: number
  /** Connections at a time. */
  maxConnections: number
  /** Connections at a time that have not authenticated; one more ends the one that has waited longest. */
  maxUnauthenticated: number
  /** New connections a second. */
  acceptRate: number
  /** New connections from one network in `ipRateSeconds`. */
  ipConnectionRate: number
  /** Refused attempts to authenticate from one network in `ipRateSeconds`. */
  ipAuthFailures: number
  /** Seconds in which `ipConnectionRate` and `ipAuthFailures` are refilled. */
  ipRateSeconds: number
  /** Connections from one network at a time. */
  ipMaxConnections: number
  /** Those of them that have not authenticated. */
  ipMaxUnauthenticated: number
  /** Unsent bytes to one peer, past which it is a slow consumer and cut. */
  maxBuffered: number
  /** Seconds between two pings to a peer. */
  pingInterval: number
  /** Seconds that a peer has to answer a ping. */
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
