import { CloseCode } from './errors.js'

const OWN_CODES = new Set<number>(Object.values(CloseCode))

/** Cumulative counts in fixed buckets, cheap enough for every message. */
export class Histogram {
  readonly counts: number[]
  sum = 0
  count = 0

  /** @param bounds the upper bounds of the buckets, ascending; a bucket without bound follows */
  constructor (readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe (value: number): void {
    const { bounds } = this
    let i = 0
    while (i < bounds.length && value > bounds[i]!) i++
    this.counts[i]!++
    this.sum += value
    this.count++
  }
}

/**
 * A quantile of what is in buckets, as if it lay evenly spread in each. Of what lies beyond the last bound no more is
 * known than that.
 *
 * @param counts of each bucket, and of the one without bound
 * @param q from 0 to 1
 * @returns null: there is nothing in them
 */
export function quantileOf (bounds: readonly number[], counts: readonly number[], q: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  let before = 0
  for (const [i, bound] of bounds.entries()) {
    const count = counts[i]!
    const lower = bounds[i - 1] ?? 0
    if (before + count >= q * total) return count === 0 ? lower : lower + (bound - lower) * (q * total - before) / count
    before += count
  }
  return bounds.at(-1) ?? null
}

/** Why a message was dropped; for `not_member`, the rooms of a message in which its sender is not. */
export const DROP_REASONS = [
  'invalid', 'too_large', 'rate_limited', 'unknown_type', 'no_recipient', 'not_member', 'unknown_sender',
  'refused', 'vetoed', 'hook_failed'
] as const
export type DropReason = typeof DROP_REASONS[number]

/**
 * How an attempt to authenticate ended; `unavailable` where Redis or the keys of tokens could not be asked, `evicted`
 * where the client said nothing and another came for whom there was no place.
 */
export const AUTH_OUTCOMES = [
  'ok', 'refused', 'malformed', 'timeout', 'evicted', 'unavailable', 'hook_failed', 'abandoned'
] as const
export type AuthOutcome = typeof AUTH_OUTCOMES[number]

/** @param status of the error with which it was refused */
export function outcomeOf (status: number): AuthOutcome {
  if (status === 503) return 'unavailable'
  return status === 401 || status === 429 ? 'refused' : 'malformed'
}

/** The limits that a client can exceed. */
export const LIMIT_NAMES = [
  'connections', 'unauthenticated', 'accept_rate', 'sockets',
  'ip_connections', 'ip_unauthenticated', 'ip_connection_rate', 'ip_auth_failures',
  'message_size', 'fragments', 'rate', 'presence_rate', 'control_frames', 'recipients', 'rooms_per_peer', 'data_size',
  'buffered', 'origin', 'probe', 'ping', 'refresh'
] as const
export type LimitName = typeof LIMIT_NAMES[number]

/** Close codes from here on belong to applications: clients can send any of them. */
const APPLICATION_CODES = 3000

function zeros<K extends string> (keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map(key => [key, 0])) as Record<K, number>
}

/** What the core counts. Plain numbers: whoever exports them reads them when asked. */
export class Stats {
  connections = 0
  bytesIn = 0
  bytesOut = 0
  deliveries = 0
  readonly received: Record<string, number> = {}
  readonly drops = zeros(DROP_REASONS)
  readonly auths = zeros(AUTH_OUTCOMES)
  readonly limits = zeros(LIMIT_NAMES)
  /** What was said between nodes: entries, packets and records that were ignored, comparisons of all rooms. */
  readonly cluster = { sent: 0, lost: 0, received: 0, ignored: 0, resyncs: 0 }
  readonly emissions = { received: 0, malformed: 0 }
  /** By close code; codes that are clients' own are one. */
  readonly closes = new Map<number | 'other', number>()
  /** Recipients of a routed message. */
  readonly fanout = new Histogram([0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000])
  /** Seconds from a message's arrival to its place in the outbox. */
  readonly routing = new Histogram([
    5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1
  ])

  constructor (types: readonly string[]) {
    for (const type of [...types, 'unknown', 'invalid']) this.received[type] = 0
  }

  receive (type: string): void {
    this.received[type]!++
  }

  drop (reason: DropReason): void {
    this.drops[reason]++
  }

  exceed (limit: LimitName): void {
    this.limits[limit]++
  }

  close (code: number): void {
    const key = code < APPLICATION_CODES || OWN_CODES.has(code) ? code : 'other'
    this.closes.set(key, (this.closes.get(key) ?? 0) + 1)
  }
}
