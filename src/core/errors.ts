import { inspect } from 'node:util'
import type { Json } from './json.js'
import type { LimitName } from './stats.js'

/**
 * The codes with which this server closes a WebSocket. 4400–4499 mirror the HTTP status 400–499 of the `error`
 * frame that precedes them; what each means for a client is a table in PROTOCOL.md.
 */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  policy: 1008,
  tooBig: 1009,
  tryAgainLater: 1013,
  malformed: 4400,
  unauthorized: 4401,
  disconnected: 4403,
  authTimeout: 4408,
  rateLimited: 4429
} as const

export type CloseCode = typeof CloseCode[keyof typeof CloseCode]

const CLOSE_CODES: Record<number, CloseCode> = {
  400: CloseCode.malformed,
  401: CloseCode.unauthorized,
  403: CloseCode.disconnected,
  408: CloseCode.authTimeout,
  413: CloseCode.tooBig,
  429: CloseCode.rateLimited,
  503: CloseCode.tryAgainLater
}

/** Bytes of UTF-8 that fit into a close frame beside the code. */
export const MAX_CLOSE_REASON = 123

/** As much of a text as fits into a close frame. */
export function closeReason (text: string): string {
  if (Buffer.byteLength(text) <= MAX_CLOSE_REASON) return text
  // A character that was cut is not complete, and left out.
  return new TextDecoder().decode(Buffer.from(text).subarray(0, MAX_CLOSE_REASON), { stream: true })
}

interface ErrorDetails {
  limit?: LimitName
  detail?: string
  retryAfter?: number
  fatal?: boolean
  cause?: unknown
}

/**
 * The one error type of the core: thrown where a fault is found, turned into an `error` frame, and before `welcome`
 * into a close, by the session.
 */
export class SympleError extends Error {
  /** Tells it from other errors where there are several copies of this class. */
  override readonly name = 'SympleError'
  /** What the client is told, an HTTP status. */
  readonly status: number
  /** The limit that was exceeded, where it was one. */
  readonly limit: LimitName | undefined
  /** What the operator is told beside the message. */
  readonly detail: string | undefined
  /** Seconds after which the same may be tried again, where that is known. */
  readonly retryAfter: number | undefined
  /** Whether it ends the connection of a peer too. */
  readonly fatal: boolean

  /**
   * @param message what the client is told, in words: it names what is wrong and holds nothing secret
   */
  constructor (status: number, message: string, options: ErrorDetails = {}) {
    super(message, options)
    this.status = status
    this.limit = options.limit
    this.detail = options.detail
    this.retryAfter = options.retryAfter
    this.fatal = options.fatal === true
  }

  /** The code of the close that follows the error, where one does. */
  get closeCode (): CloseCode {
    return CLOSE_CODES[this.status] ?? CloseCode.tryAgainLater
  }

  /** What is logged of it. */
  get logged (): object {
    return { status: this.status, reason: this.message, ...(this.detail !== undefined && { detail: this.detail }) }
  }

  /**
   * The `error` frame.
   *
   * @param id of the frame that this answers, where it has one
   */
  toMessage (id?: Json): object {
    const { status, message, retryAfter } = this
    return { type: 'error', status, message, ...(retryAfter !== undefined && { retryAfter }), ...(id !== undefined && { id }) }
  }
}

/** A hook of the application failed: neither the client nor the server is to blame. */
export class HookError extends Error {
  /** @param fault what it threw, whatever that is */
  constructor (hook: string, fault: unknown) {
    super(`The hook ${hook} failed`, { cause: fault instanceof Error ? fault : new Error(inspect(fault)) })
  }
}

/** Why a peer ends whom the application sends away. */
export function disconnection (reason = 'Disconnected by the server'): SympleError {
  return new SympleError(403, reason)
}

/** What a client has to be told of an error; undefined: it is not to blame. */
export function clientFault (error: unknown): SympleError | undefined {
  return error instanceof SympleError ? error : undefined
}
