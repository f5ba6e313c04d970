import { grantOf } from './claims.js'
import type { Client } from './connection.js'
import { SympleError } from './errors.js'
import { isNestedWithin, isObject, MAX_DEPTH, type Json, type JsonObject } from './json.js'
import type { Limits } from './limits.js'
import type { Auth } from './protocol.js'

/** What an authenticator lets a client be. */
export interface Grant {
  /** Undefined: nothing gives the client a user, so it is refused. */
  readonly user: string | undefined
  /** Undefined: named after the user. */
  readonly name: string | undefined
  /** The ordinary rooms it enters. */
  readonly rooms: readonly string[]
  /** Those it asks for itself, and enters as far as it may. */
  readonly requested?: readonly string[]
  /** Fields of the peer object that the client can't override. */
  readonly fixed: JsonObject
  /** What the grant rests on: without it, the client may not stay. */
  readonly token?: string
  /** What the token stands for, whole: hooks see it, peers don't. */
  readonly session?: JsonObject
  /** When it ends, in milliseconds since 1970. Undefined: not by itself. */
  readonly expires?: number
}

/**
 * Decides who a client is and where it may be. It answers at once or later; it refuses by throwing a `SympleError`:
 * 401 for a client that is not who it says, 503 where that can't be found out now.
 */
export type Authenticator = (auth: Auth, client: Client) => Grant | Promise<Grant>

/** Takes every client at its word. The name that it gives is its own: it may give another one later. */
export const anonymous: Authenticator = ({ user, rooms }) => ({
  user, name: undefined, rooms: [], requested: rooms, fixed: {}
})

/** What a client is told whose token is good, and somebody else's. */
export function notTheirs (): SympleError {
  return new SympleError(401, 'Token is not this user\'s')
}

/** Where sessions are kept. All methods reject where that can't be reached, or does not answer in time. */
export interface SessionStore {
  /** The session of a token, as the backend wrote it; null: there is none. */
  load (token: string): Promise<string | null>
  /** Has sessions live on for a time from now. @returns the tokens that have none */
  renew (tokens: readonly string[], seconds: number): Promise<string[]>
  /** @returns those of some tokens that have no session */
  missing (tokens: readonly string[]): Promise<string[]>
}

/**
 * Lets in who brings the token of a session, as what the session says.
 *
 * @param ttl seconds that a session lives on after it was used; 0 or less leaves its expiry alone
 */
export function sessionAuthenticator (store: SessionStore, limits: Limits, ttl: number): Authenticator {
  return async ({ token, user }) => {
    if (token === undefined) throw new SympleError(401, 'Token required')
    const text = await fromStore(store.load(token))
    if (text === null) throw new SympleError(401, 'Invalid token')
    const grant = read(text, limits)
    if (user !== undefined && user !== grant.user) throw notTheirs()
    if (ttl > 0 && (await fromStore(store.renew([token], ttl))).length > 0) throw new SympleError(401, 'Invalid token')
    return { ...grant, token }
  }
}

async function fromStore<T> (answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new SympleError(503, 'Sessions unavailable', { cause })
  }
}

/** @throws SympleError 401 for a session that gives nobody; where the backend is to blame, its cause says how */
function read (text: string, limits: Limits): Grant {
  const session = parse(text)
  const { user, name, rooms, data, type } = session
  const grant = grantOf({ user, name, rooms, data }, limits, faulty)
  return { ...grant, fixed: type === undefined ? grant.fixed : { ...grant.fixed, type }, session }
}

function parse (text: string): JsonObject {
  let session: Json | undefined
  try {
    session = JSON.parse(text) as Json
  } catch {
    // Its text is not repeated: it is a secret.
  }
  if (!isObject(session)) throw faulty('it is no JSON object')
  if (!isNestedWithin(session, MAX_DEPTH)) throw faulty('it is nested too deeply')
  return session
}

function faulty (fault: string): SympleError {
  return new SympleError(401, 'Invalid session', { cause: new Error(`The session is faulty: ${fault}`) })
}
