import type { Client } from './connection.js'
import type { JsonObject } from './json.js'
import type { Auth } from './protocol.js'

/** What an authenticator lets a client be. */
export interface Grant {
  /** Undefined: nothing gives the client a user, so it is refused. */
  readonly user: string | undefined
  /** Undefined: named after the user. */
  readonly name: string | undefined
  /** The ordinary rooms it enters. */
  readonly rooms: readonly string[]
  /** Fields of the peer object that the client can't override. */
  readonly fixed: JsonObject
}

/**
 * Decides who a client is and where it may be. It answers at once or later; it refuses by throwing a `SympleError`:
 * 401 for a client that is not who it says, 503 where that can't be found out now.
 */
export type Authenticator = (auth: Auth, client: Client) => Grant | Promise<Grant>

/** Takes every client at its word. */
export const anonymous: Authenticator = ({ user, name, rooms }) => ({ user, name, rooms, fixed: {} })
