import type { JsonObject } from './json.js'
import type { PeerDetails } from './peer-info.js'
import type { Auth } from './protocol.js'

/** What a client would be if it is let in. */
export interface Applicant {
  /** Of the session or the token, else of `auth`; undefined: only the hook can give it one. */
  readonly user: string | undefined
  /** Undefined: it is named after its user. */
  readonly name: string | undefined
  /** The client's address. */
  readonly host: string
  /** The fields that others would see beside these. */
  readonly data: JsonObject
  /** What the token stands for, whole: others see none of it but what is in `data`. Null where none was looked up. */
  readonly session: JsonObject | null
}

/** What an `authenticate` hook decides. What it sets, the client can't override. */
export interface AuthenticateResult {
  /** False: it is refused with `error 401` and close 4401. */
  readonly allowed: boolean
  /** Ordinary rooms that it enters beside those that it has anyway. */
  readonly rooms?: readonly string[] | undefined
  /** The user that it is, whatever its session or the client itself says. */
  readonly user?: string | undefined
  /** The name that others see. */
  readonly name?: string | undefined
  /** Fields that others see. */
  readonly data?: object | undefined
  /** What the client is told where it is refused. */
  readonly message?: string | undefined
}

/** Whether a peer may enter a room, and what its client is told where it may not. */
export type JoinResult = boolean | { readonly allowed: boolean, readonly message?: string | undefined }

/** What a client that was let in can be told, and done to. */
export interface PeerSocket {
  /** Of the peer. */
  readonly id: string
  /**
   * Sends a message to this client alone, in its place among all that it is sent; `from` is passed through.
   *
   * @param message an object with a string `type`
   * @throws TypeError for anything else
   */
  send (message: object): void
  /**
   * Ends the connection with `error 403` and close 4403.
   *
   * @param reason what the client is told, at most 123 bytes. Default: `Disconnected by the server`
   * @throws TypeError for anything else
   */
  disconnect (reason?: string): void
}

/**
 * Decides who may come in, and as what. It is asked after the session or the token was found good, where there has to
 * be one, and before the client is told anything; then again for each fresh token that the client sends on the same
 * connection. A client that is refused then goes on with the token that it has.
 *
 * An error that it throws, or rejects with, refuses the client: with 401 where its `statusCode` or `status` is 401 or
 * 403, else with 503. An answer that is malformed, or takes longer than `SYMPLE_HOOK_TIMEOUT`, refuses with 503.
 *
 * @param peer what the client would be
 * @param auth what it sent, the token included, which belongs into no log
 * @param request the HTTP request of its connection. Where tokens are checked, it is kept as long as the connection,
 *   for fresh tokens that may come: some 2 KB and the headers of the client. Else it is let go when the client is in.
 *   A hook that was set after that gets `undefined` for the fresh tokens of such a client
 */
export type AuthenticateHook<R = unknown> = (
  peer: Applicant, auth: Auth, request: R
) => AuthenticateResult | PromiseLike<AuthenticateResult>

/**
 * Decides whether a peer may enter an ordinary room for which its client asks, by `join` or in `auth.rooms`. It is not
 * asked about rooms that a session, a token or the application gives.
 *
 * False refuses: a `join` gets `error 403`, a room in `auth.rooms` is left out of `welcome.rooms`. So does a hook that
 * fails, or takes longer than `SYMPLE_HOOK_TIMEOUT`. What the peer sends meanwhile waits.
 */
export type AuthorizeJoinHook = (peer: PeerDetails, room: string) => JoinResult | PromiseLike<JoinResult>

/**
 * Decides what becomes of a `message`, `command`, `event` or `presence` of a client: `true` lets it go on as it is,
 * `false` drops it without a word, and an object goes on in its place, whole.
 *
 * Of that object everything is the hook's to say, `type` (one of these four) and `to` too, but not `from`, which is the
 * sender's in any case. It is held to what holds for a message of the client: it reaches those whom the client may
 * write to, and in a presence, what the server sets stays. Who changes anything returns an object; what is done to
 * `message` itself counts for nothing.
 *
 * A hook that fails, answers anything else, or takes longer than `SYMPLE_HOOK_TIMEOUT`, has the message dropped. What
 * the same peer sends meanwhile waits, so its messages stay in order; those of others don't wait. A client that closes
 * its connection is a peer until what it sent before is handled, for up to ten seconds. One whose connection has broken
 * when the hook has decided, or that was sent away, is no sender any more: its message is dropped, as `unknown_sender`.
 *
 * @param message a copy as far as its top level goes, with `from` set. The values in it are the message's own: they are
 *   for reading, and to be put into another object
 */
export type AuthorizeMessageHook = (
  peer: PeerDetails, message: JsonObject
) => boolean | object | PromiseLike<boolean | object>

/** Is told of each client that was let in, when it has got its `welcome` and who is there. */
export type AuthorizedHook = (socket: PeerSocket, peer: PeerDetails) => unknown

/** The names of all hooks. */
export const HOOKS = ['authenticate', 'authorizeJoin', 'authorizeMessage', 'onAuthorize'] as const satisfies
  ReadonlyArray<keyof Hooks>

/**
 * What the application decides, as options and as properties of the service that can be set at any time. One that is
 * not set costs nothing. Hooks may answer at once or with a promise.
 *
 * @typeParam R what the edge hands in as the request
 */
export interface Hooks<R = unknown> {
  /** Decides who may come in, and as what; null: whoever the configuration lets in. */
  authenticate: AuthenticateHook<R> | null
  /** Decides who may enter the rooms that clients ask for; null: everybody. */
  authorizeJoin: AuthorizeJoinHook | null
  /** Decides what becomes of the messages of clients; null: they are routed. */
  authorizeMessage: AuthorizeMessageHook | null
  /** Is told of clients that were let in. */
  onAuthorize: AuthorizedHook | null
}
