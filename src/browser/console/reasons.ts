/** What the server counts of what went wrong, in words for operators. */
export const DROPS: Record<string, string> = {
  not_member: 'To a room that the sender is not in',
  no_recipient: 'Nobody there who may get it',
  rate_limited: 'Sender over its rate limit',
  too_large: 'Larger than messages may be',
  invalid: 'Not a message of the protocol',
  unknown_type: 'A type that the protocol does not know',
  unknown_sender: 'From a peer that is gone, or of another node and not known here',
  refused: 'Not allowed',
  vetoed: 'Vetoed by the application',
  hook_failed: 'The application\'s hook failed'
}

export const AUTHS: Record<string, string> = {
  ok: 'Let in',
  refused: 'Refused',
  malformed: 'Malformed first frame',
  timeout: 'Said nothing in time',
  evicted: 'Said nothing while others came',
  unavailable: 'Server could not tell',
  hook_failed: 'The application\'s hook failed',
  abandoned: 'Gone before the answer'
}

export const LIMITS: Record<string, string> = {
  connections: 'Connections',
  unauthenticated: 'Connections not authenticated yet',
  accept_rate: 'New connections per second',
  sockets: 'Sockets',
  ip_connections: 'Connections of one address',
  ip_unauthenticated: 'The same, not authenticated yet',
  ip_connection_rate: 'New connections of one address',
  ip_auth_failures: 'Failed authentications of one address',
  message_size: 'Message size',
  fragments: 'Frames of one message',
  rate: 'Messages of one peer',
  presence_rate: 'Presence of one peer',
  control_frames: 'Pings and pongs of one peer',
  recipients: 'Recipients of one message',
  rooms_per_peer: 'Rooms of one peer',
  data_size: 'Size of presence data',
  buffered: 'Unsent bytes (slow reader)',
  origin: 'Origin',
  probe: 'Recipients of a probe',
  ping: 'Pings unanswered',
  refresh: 'Fresh tokens of one peer'
}

/** The names and words of all kinds that the server tells of, those that this page does not know included. */
export function kindsOf (
  series: Readonly<Record<string, unknown>>, prefix: string, words: Readonly<Record<string, string>>
): Array<[name: string, words: string]> {
  const names = Object.keys(series).filter(name => name.startsWith(`${prefix}.`))
  return names.map(name => {
    const key = name.slice(prefix.length + 1)
    return [name, words[key] ?? key.replaceAll('_', ' ')]
  })
}
