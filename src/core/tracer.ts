import type { Dispatcher } from './dispatcher.js'
import type { JsonObject } from './json.js'
import { CLIENT_TYPES } from './protocol.js'
import type { Stats } from './stats.js'

/** What is told of something that is traced: numbers and short texts, never content or tokens. */
export type Details = Readonly<Record<string, string | number>>

/** Follows single things that a server does, from their beginning to their end. */
export interface Tracer {
  /**
   * Does some work, and follows it until it is done, at once or later. Errors are followed and passed on.
   *
   * @param name one of few
   * @param work gets what takes further details
   * @param origin a message whose sender may trace it, too: `traceparent` in it says so
   */
  trace<T> (name: string, details: Details, work: (tell: (details: Details) => void) => T, origin?: JsonObject): T
}

const TYPES = new Set<string>(CLIENT_TYPES)

/** A dispatcher that has each message of a client followed. */
export function tracedDispatcher (
  dispatcher: Dispatcher, tracer: Tracer, stats: Stats
): Pick<Dispatcher, 'dispatch' | 'say'> {
  return {
    dispatch: (peer, type, inbound) => {
      // Clients can send any: what is counted by must come from a small set.
      const name = TYPES.has(type) ? type : 'unknown'
      const details = { peer: peer.id, user: peer.user, bytes: inbound.data.length }
      return tracer.trace(name, details, tell => {
        const before = stats.deliveries
        const work = dispatcher.dispatch(peer, type, inbound)
        // What is delivered while others are asked may be somebody else's.
        if (!(work instanceof Promise)) tell({ recipients: stats.deliveries - before })
        return work
      }, inbound.message)
    },
    say: (peer, inbound) => { dispatcher.say(peer, inbound) }
  }
}
