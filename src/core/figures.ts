import { AUTH_OUTCOMES, DROP_REASONS, LIMIT_NAMES } from './stats.js'

/** What is there when a sample is taken. */
const MOMENT = {
  connections: 'WebSocket connections that are open.',
  peers: 'Peers that are online.',
  virtuals: 'Peers of the application\'s own.',
  users: 'Users with at least one peer online.',
  rooms: 'Ordinary rooms with at least one member.',
  unsent: 'Bytes that wait for peers.',
  rss: 'Bytes of memory that the process has.',
  heap: 'Bytes of it that hold objects.'
} as const

/** What has happened since the sample before. */
const INTERVAL = {
  seconds: 'Seconds since the sample before, for which the figures below stand.',
  opened: 'WebSocket connections that were opened.',
  received: 'Messages received from clients.',
  deliveries: 'Messages given to recipients, each recipient counted.',
  bytesIn: 'Bytes of messages received from clients.',
  bytesOut: 'Bytes of frames written to clients.',
  p50: 'Seconds from reading a message to having queued it for all recipients, which half of them took at most.',
  p99: 'The same for 99 of 100 messages.',
  delay: 'Seconds by which timers were late, of which 1 in 100 were later.',
  busy: 'Part of the time in which the event loop was at work, from 0 to 1.',
  cpu: 'Processor seconds of the process, per second.'
} as const

type Plain = keyof typeof MOMENT | keyof typeof INTERVAL
export type Figure =
  Plain | `dropped.${typeof DROP_REASONS[number]}` | `auth.${typeof AUTH_OUTCOMES[number]}` | `exceeded.${typeof LIMIT_NAMES[number]}`

/** All that is sampled of a node, and what it means. */
export const FIGURES = {
  ...MOMENT,
  ...INTERVAL,
  ...describe('dropped', DROP_REASONS, 'Messages dropped, or rooms of theirs, for this reason.'),
  ...describe('auth', AUTH_OUTCOMES, 'Attempts to authenticate that ended so.'),
  ...describe('exceeded', LIMIT_NAMES, 'Times that this limit was exceeded.')
} as Readonly<Record<Figure, string>>

export const FIGURE_NAMES = Object.keys(FIGURES) as Figure[]

function describe (kind: string, keys: readonly string[], description: string): Record<string, string> {
  return Object.fromEntries(keys.map(key => [`${kind}.${key}`, description]))
}
