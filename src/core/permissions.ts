import { messageArgument, reasonArgument } from './arguments.js'
import type { Grant } from './auth.js'
import type { Client } from './connection.js'
import { HookError, SympleError } from './errors.js'
import type { AuthenticateResult, JoinResult } from './hooks.js'
import type { Hub } from './hub.js'
import { plain, serialisedSize, type Json } from './json.js'
import { after, attempt, isPromiseLike, within, type Later } from './later.js'
import { publicFields, type Peer } from './peer.js'
import { PeerView } from './peer-info.js'
import {
  inboundOf, isAddressable, isName, parsePresence, parseRecipients, ROUTED_TYPES, type Auth, type Inbound
} from './protocol.js'

/** Errors of hooks with one of these statuses say that the client is to blame. */
const CLIENTS_FAULT: readonly unknown[] = [401, 403]

/** What a hook says, and not what it throws. */
class Refusal extends SympleError {}

/** Asks the hooks of the application, and trusts neither that they answer nor what. */
export class Permissions {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /**
   * Has the `authenticate` hook decide about a client, if there is one.
   *
   * @returns what the client may be: the grant, with what the hook adds
   * @throws SympleError 401 where it is refused; HookError where that is the hook's fault
   */
  authenticate (auth: Auth, grant: Grant, client: Client): Later<Grant> {
    const { authenticate } = this.#hub.hooks
    if (!authenticate) return grant
    const applicant = {
      user: grant.user,
      name: grant.name ?? auth.name,
      host: client.host,
      data: { ...publicFields(auth.data), ...grant.fixed },
      session: grant.session ?? null
    }
    return this.#ask(
      'authenticate',
      () => authenticate(applicant, auth, client.request),
      result => this.#granted(grant, result),
      error => {
        if (error instanceof Refusal) throw error
        if (isClientsFault(error)) throw new SympleError(401, 'Authentication refused', { cause: error })
        throw new HookError('authenticate', error)
      }
    )
  }

  /** Those of the rooms that a client asked for which it may enter. */
  requested (peer: Peer, rooms: readonly string[]): Later<readonly string[]> {
    if (!this.#hub.hooks.authorizeJoin) return rooms
    const verdicts = rooms.map(room => after(this.#mayJoin(peer, room), verdict => verdict === null))
    const allowed = (verdicts: boolean[]) => rooms.filter((_, i) => verdicts[i])
    return verdicts.some(isPromiseLike) ? Promise.all(verdicts).then(allowed) : allowed(verdicts as boolean[])
  }

  /** @throws SympleError 403, at once or later, where a peer may not join a room */
  join (peer: Peer, room: string): Later<void> {
    return after(this.#mayJoin(peer, room), refusal => {
      if (refusal !== null) throw refusal
    })
  }

  /**
   * Has the `authorizeMessage` hook decide about what a peer sends.
   *
   * @returns what goes on in its place; null: nothing does
   */
  message (peer: Peer, inbound: Inbound): Later<Inbound | null> {
    const { authorizeMessage } = this.#hub.hooks
    if (!authorizeMessage) return inbound
    // The hook approves what it has read: of a key that stands twice in the client's bytes, others may read the first.
    const text = JSON.stringify(inbound.message)
    return this.#ask<boolean | object, Inbound | null>(
      'authorizeMessage',
      () => authorizeMessage(new PeerView(peer), { ...inbound.message, from: peer.address }),
      verdict => {
        if (verdict === true) return inboundOf(text)
        if (verdict === false) return this.#drop(peer, 'vetoed')
        return this.#rewritten(verdict)
      },
      error => {
        this.#failed('authorizeMessage', peer, error)
        return this.#drop(peer, 'hook_failed')
      }
    )
  }

  /** Has `onAuthorize` know of a client that is in. */
  authorized (peer: Peer): void {
    const { onAuthorize } = this.#hub.hooks
    const { owner } = peer
    if (!onAuthorize || owner === null || owner.virtual) return
    const socket = {
      id: peer.id,
      send: (message: object) => { this.#hub.send(peer, messageArgument(message)) },
      disconnect: (reason?: string) => { owner.revoke(reasonArgument(reason)) }
    }
    attempt(() => onAuthorize(socket, new PeerView(peer)), error => { this.#failed('onAuthorize', peer, error) })
  }

  /** @returns why it may not; null: it may */
  #mayJoin (peer: Peer, room: string): Later<SympleError | null> {
    const { authorizeJoin } = this.#hub.hooks
    if (!authorizeJoin) return null
    return this.#ask<JoinResult, SympleError | null>(
      'authorizeJoin',
      () => authorizeJoin(new PeerView(peer), room),
      result => {
        const { allowed, message = 'Join refused' } = typeof result === 'boolean' ? { allowed: result } : result
        if (typeof allowed !== 'boolean') throw new TypeError('it says neither yes nor no')
        return allowed ? null : new SympleError(403, String(message))
      },
      error => {
        this.#failed('authorizeJoin', peer, error)
        return new SympleError(403, 'Join refused')
      }
    )
  }

  /** Calls a hook. `take` gets its answer, `fail` what is wrong with it; at once where the hook answers at once. */
  #ask<A, R> (
    name: string, hook: () => A | PromiseLike<A>, take: (answer: A) => R, fail: (error: unknown) => R
  ): Later<R> {
    try {
      const answer = hook()
      if (!isPromiseLike(answer)) return take(answer)
      const { hookTimeout } = this.#hub.limits
      const late = () => new Error(`The hook ${name} gave no answer within ${hookTimeout} seconds`)
      return within(answer as PromiseLike<A>, hookTimeout, late).then(take).catch(fail)
    } catch (error) {
      return fail(error)
    }
  }

  /** @throws what is wrong with an answer of `authenticate`: that is not the client's fault */
  #granted (grant: Grant, result: AuthenticateResult): Grant {
    const { maxNameLength, maxDataSize, maxRoomsPerPeer } = this.#hub.limits
    const { allowed, message, rooms = [], user = grant.user, name = grant.name, data = {} } = result
    if (allowed === false) throw new Refusal(401, String(message ?? 'Authentication refused'))
    if (allowed !== true) throw faulty('its allowed is no boolean')
    if (user !== undefined && !isAddressable(user, maxNameLength)) throw faulty('its user can not be one')
    if (name !== undefined && !isName(name, maxNameLength)) throw faulty('its name can not be one')
    if (!Array.isArray(rooms) || !rooms.every(room => isAddressable(room as Json, maxNameLength))) {
      throw faulty('its rooms are no array of room names')
    }
    const given = new Set<string>([...grant.rooms, ...rooms].filter(room => room !== user))
    if (given.size > maxRoomsPerPeer) throw faulty('it gives too many rooms')
    const fields = plain(data)
    if (fields === undefined) throw faulty('its data are no object that can be JSON')
    if (serialisedSize(fields) > maxDataSize) throw faulty('its data are too large')
    const fixed = { ...grant.fixed, ...publicFields(fields) }
    return { ...grant, user, name, rooms: [...given], fixed }
  }

  /** @throws what is wrong with a message that stands in for another: its sender is not told */
  #rewritten (verdict: object): Inbound {
    const message = plain(verdict)
    if (message === undefined) throw new TypeError('it is neither a boolean nor an object that can be JSON')
    const { type } = message
    if (type === 'presence') parsePresence(message, this.#hub.limits)
    else if (!(ROUTED_TYPES as readonly unknown[]).includes(type)) throw new TypeError('its type can not be routed')
    parseRecipients(message['to'], this.#hub.limits.maxRecipients)
    return inboundOf(JSON.stringify(message))
  }

  #drop (peer: Peer, reason: 'vetoed' | 'hook_failed'): null {
    this.#hub.stats.drop(reason)
    this.#hub.log.debug({ peer: peer.id, reason }, 'dropped')
    return null
  }

  #failed (hook: string, peer: Peer, error: unknown): void {
    this.#hub.log.error({ err: error, hook, peer: peer.id }, 'hook failed')
  }
}

function faulty (fault: string): TypeError {
  return new TypeError(`The answer of the hook authenticate is wrong: ${fault}`)
}

function isClientsFault (error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { statusCode, status } = error as { statusCode?: unknown, status?: unknown }
  return CLIENTS_FAULT.includes(statusCode) || CLIENTS_FAULT.includes(status)
}
