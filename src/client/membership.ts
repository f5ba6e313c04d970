import type { Fault, Frame } from './frames.js'

/** A `join` or `leave` that has not been answered. */
interface Request {
  readonly type: 'join' | 'leave'
  readonly room: string
  readonly id: string
  resolve (): void
  reject (error: Error): void
}

/** The rooms that a client is in, those it wants to be in through all reconnects, and what it has asked for. */
export class Membership {
  readonly #wanted: Set<string>
  readonly #current = new Set<string>()
  #requests: Request[] = []
  #ids = 0

  constructor (wanted: readonly string[]) {
    this.#wanted = new Set(wanted)
  }

  get wanted (): string[] {
    return [...this.#wanted]
  }

  /** The rooms that the client is in, as the server says. */
  get current (): ReadonlySet<string> {
    return this.#current
  }

  /** @returns the frame to send, and what comes of it */
  ask (type: Request['type'], room: string): { frame: Frame, answered: Promise<void> } {
    if (type === 'join') this.#wanted.add(room)
    else this.#wanted.delete(room)
    const id = `${type}-${++this.#ids}`
    const answered = new Promise<void>((resolve, reject) => {
      this.#requests.push({ type, room, id, resolve, reject })
    })
    // Who does not care hears of it by the event `error`.
    answered.catch(() => {})
    return { frame: { type, room, id }, answered }
  }

  /** Takes the rooms of a `welcome`. @returns the frames to send, for what is missing in them */
  welcomed (rooms: readonly string[]): Frame[] {
    this.#current.clear()
    for (const room of rooms) this.#current.add(room)
    // A connection that has ended has left its rooms, and its requests have no answer.
    for (const request of this.#take(({ type, room }) => type === 'leave' || this.#current.has(room))) request.resolve()
    const asked = this.#requests.map(({ room }) => room)
    for (const room of this.#wanted) {
      if (!this.#current.has(room) && !asked.includes(room)) this.ask('join', room)
    }
    return this.#requests.map(({ type, room, id }) => ({ type, room, id }))
  }

  /** Takes a `join:ok` or `leave:ok`. The personal room stays, whatever is asked. */
  answered (type: Request['type'], room: string, personal: string): void {
    if (type === 'join') this.#current.add(room)
    else if (room !== personal) this.#current.delete(room)
    const request = this.#requests.find(request => request.type === type && request.room === room)
    for (const answered of this.#take(other => other === request)) answered.resolve()
  }

  /** Takes an `error` that may answer a request: what is refused once is not asked for again. */
  refused (fault: Fault): void {
    for (const { type, room, reject } of this.#take(({ id }) => id === fault.id)) {
      if (type === 'join') this.#wanted.delete(room)
      reject(new Error(fault.message))
    }
  }

  /** The connection has ended. */
  lost (): void {
    this.#current.clear()
  }

  /** And will not come back. */
  abandon (error: Error): void {
    for (const { reject } of this.#take(() => true)) reject(error)
  }

  #take (matches: (request: Request) => boolean): Request[] {
    const taken = this.#requests.filter(matches)
    this.#requests = this.#requests.filter(request => !taken.includes(request))
    return taken
  }
}
