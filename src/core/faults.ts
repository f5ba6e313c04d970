import { clientFault, HookError, SympleError } from './errors.js'
import type { Hub } from './hub.js'
import { outcomeOf, type DropReason } from './stats.js'

/** As what a message counts that was answered with an error of a status, where not as invalid. */
const droppedFor: Record<number, DropReason> = { 403: 'refused', 413: 'too_large', 429: 'rate_limited' }

/** Whether a client could not be authenticated by no fault of its own. */
export function isUnavailable (error: unknown): boolean {
  return (clientFault(error)?.status ?? 503) === 503
}

/**
 * Counts and logs why a client could not be authenticated.
 *
 * @param whose what is logged of the client
 * @returns what the client is told
 */
export function authenticationFault ({ log, stats }: Hub, error: unknown, whose: object): SympleError {
  const known = clientFault(error) ?? new SympleError(503, 'Authentication unavailable')
  if (known.limit !== undefined) stats.exceed(known.limit)
  if (known !== error) log.error({ ...whose, err: error }, 'authentication failed')
  // Said for each client it would say nothing new: the backplane says once that Redis is away.
  else if (known.status === 503) log.debug({ ...whose, err: known.cause }, 'authentication failed')
  else if (known.cause !== undefined) log.warn({ ...whose, err: known.cause }, 'authentication failed')
  stats.auths[error instanceof HookError ? 'hook_failed' : outcomeOf(known.status)]++
  return known
}

/**
 * Counts and logs why a message of a peer can't be handled.
 *
 * @param whose what is logged of the peer
 * @returns what the peer is told; undefined: nothing, since it is not to blame
 */
export function messageFault ({ log, stats }: Hub, error: unknown, whose: object): SympleError | undefined {
  const known = clientFault(error)
  if (known === undefined) {
    log.error({ ...whose, err: error }, 'message failed')
    return undefined
  }
  if (known.limit !== undefined) stats.exceed(known.limit)
  stats.drop(droppedFor[known.status] ?? 'invalid')
  log.debug({ ...whose, ...known.logged }, 'refused message')
  return known
}
