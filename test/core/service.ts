import { MemoryBackplane } from '../../src/backplane/memory.js'
import type { Grant } from '../../src/core/auth.js'
import type { Session } from '../../src/core/session.js'
import { Symple, type SympleOptions } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'

export const client = { host: '127.0.0.1' }

/** Milliseconds since 1970 at which services without sockets begin. */
export const BEGINNING = Date.UTC(2040, 0, 1)

/** What follows from what was said, promises included, has been written when it resolves. */
export async function turn (): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise(resolve => { setImmediate(resolve) })
}

/** A service without sockets, whose clocks go when they are told to. */
export function setUp (options: Partial<SympleOptions> = {}) {
  let now = 0
  let wall = BEGINNING
  const symple = new Symple({ now: () => now, wallNow: () => wall, backplane: new MemoryBackplane(), ...options })
  const open = () => {
    const connection = new FakeConnection()
    return { connection, session: symple.open(connection, client) }
  }
  return {
    symple,
    open,
    /** Opens a connection and has it say who it is. */
    enter (auth: object) {
      const opened = open()
      send(opened.session, { type: 'auth', ...auth })
      return opened
    },
    pass (seconds: number): void {
      now += seconds * 1000
      wall += seconds * 1000
    },
    /** Has somebody set the wall clock. */
    set (seconds: number): void {
      wall += seconds * 1000
    }
  }
}

export function send (session: Session, message: object | string | Buffer): void {
  const plain = typeof message === 'string' || Buffer.isBuffer(message)
  session.receive(Buffer.from(plain ? message as string : JSON.stringify(message)), false)
}

/** An authenticator that answers when the test lets it. */
export function deferred () {
  let resolve: (grant: Grant) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const answer = new Promise<Grant>((...callbacks) => { [resolve, reject] = callbacks })
  return { authenticate: () => answer, grant: resolve, refuse: reject }
}
