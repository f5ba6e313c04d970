import { anonymous } from './auth.js'
import { authenticationFault } from './faults.js'
import { identify, type Candidate } from './handshake.js'
import type { Json } from './json.js'
import { decode } from './protocol.js'
import type { Session } from './session.js'

/**
 * Has a client come in by its first message, or refuses it.
 *
 * @returns resolves when it is known what came of that, where it takes time; never rejects
 */
export function enter (session: Session, data: Buffer, binary: boolean): Promise<void> | undefined {
  const { hub, client, connection } = session
  let id: Json | undefined
  try {
    const { message } = decode(data, binary, hub.limits.maxMessageSize)
    id = message['id']
    const candidate = hub.admission.attempt(session, () => identify(hub, message, client, connection))
    const work = candidate instanceof Promise
      ? candidate.then(async identified => await arrive(session, identified))
      : arrive(session, candidate)
    return work?.catch((error: unknown) => { reject(session, error, id) })
  } catch (error) {
    reject(session, error, id)
    return undefined
  }
}

/** @returns resolves when the client is a peer; undefined: it is one already */
function arrive (session: Session, candidate: Candidate): Promise<void> | undefined {
  const { hub, client } = session
  // With each fresh token the hook is asked again.
  if (hub.authenticate === anonymous || !hub.hooks.authenticate) client.request = undefined
  if (!session.alive) return undefined
  return hub.membership.arrive(candidate.peer, candidate.terms.rooms, () => {
    // It may go while others are asked for what they know.
    if (!session.alive) return false
    session.welcome(candidate)
    return true
  })
}

function reject (session: Session, error: unknown, id: Json | undefined): void {
  const { hub, client, whose } = session
  client.request = undefined
  if (session.alive) session.refuse(authenticationFault(hub, error, whose), id)
}
