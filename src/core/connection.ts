/**
 * One client's connection, as the core sees it: the seam to the WebSocket library. The core gives it whole encoded
 * frames, joined; how they reach the client is its matter.
 */
export interface Connection {
  /** False once the socket is closing or gone: what is written then is lost. */
  readonly open: boolean
  /** Bytes that were written and have not left yet. */
  readonly buffered: number
  /** True while the socket asks its writers to wait; the owner then calls `Session.drained` when it has room again. */
  readonly congested: boolean
  /**
   * Writes one or more whole frames. The buffer is shared with other connections: it must not be changed.
   *
   * @returns `buffered`, as it is then
   */
  write (frames: Buffer): number
  ping (): void
  /** Asks the client's bytes to wait. Messages that have been read already may still come. */
  pause (): void
  resume (): void
  /** Begins the closing handshake, after all that was written. */
  close (code: number, reason: string): void
  /** Drops the connection at once. */
  terminate (): void
}

/** What is known of a client before it says anything. */
export interface Client {
  /** Its address; behind a trusted proxy, the one that the proxy names. */
  readonly host: string
  /** What asked for the connection, for hooks; whatever the edge has. It is let go when no hook may want it. */
  request?: unknown
}
