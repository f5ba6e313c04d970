/** As much of a WebSocket as is needed: that of browsers, of Node 22 and later, and of the package ws. */
export interface SocketLike {
  /** It has opened. */
  onopen: ((event: never) => void) | null
  /** `data` has come. */
  onmessage: ((event: never) => void) | null
  /** It has failed; `onclose` follows. */
  onerror: ((event: never) => void) | null
  /** It has closed, with `code` and `reason`. */
  onclose: ((event: never) => void) | null
  /** Sends a text frame. */
  send (text: string): void
  /** Begins to close, whatever it is doing. */
  close (code?: number, reason?: string): void
}

/** What makes one. */
export type SocketClass = new (url: string) => SocketLike

/** What a socket tells. After `closed`, or after it has been let go of, it tells nothing. */
export interface SocketListener {
  opened (): void
  received (text: string): void
  closed (code: number, reason: string): void
}

/** The WebSocket class of this platform. @throws Error where it has none */
export function platformSocket (): SocketClass {
  const { WebSocket } = globalThis as { WebSocket?: SocketClass }
  if (WebSocket === undefined) throw new Error('This platform has no WebSocket: hand one in, as the option WebSocket')
  return WebSocket
}

/** Opens a socket. All is listened to before it can open: the first frame may come with the answer to the upgrade. */
export function openSocket (Socket: SocketClass, url: string, listener: SocketListener): SocketLike {
  const socket = new Socket(url)
  let failure = ''
  socket.onopen = () => { listener.opened() }
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (typeof data === 'string') listener.received(data)
  }
  // Browsers do not say what went wrong; `close` follows.
  socket.onerror = ({ message }: { message?: unknown }) => { failure = typeof message === 'string' ? message : '' }
  socket.onclose = ({ code, reason }: { code: number, reason: string }) => { listener.closed(code, reason || failure) }
  return socket
}

/** Closes a socket of which nothing more is to be heard. */
export function letGo (socket: SocketLike): void {
  socket.onopen = null
  socket.onmessage = null
  socket.onclose = null
  // One that has not opened yet fails when it is closed, and ws throws what nobody listens to.
  socket.onerror = () => {}
  socket.close(1000)
}
