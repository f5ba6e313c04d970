import { Type } from '@fastify/type-provider-typebox'
import { MAX_LIMIT } from '../../src/core/arguments.js'
import type { JsonObject } from '../../src/core/json.js'

// What has a title is a type of its own in the documentation.

export const Problem = Type.Object({
  type: Type.String({ description: 'Always `about:blank`: the status says of what kind it is.' }),
  title: Type.String({ description: 'The status in words.' }),
  status: Type.Integer(),
  detail: Type.String({ description: 'What is wrong.' }),
  errors: Type.Optional(Type.Array(Type.Object({
    index: Type.Optional(Type.Integer({ description: 'Which message of a batch is meant, from 0.' })),
    field: Type.Optional(Type.String({ description: 'Which field of the body, or which parameter.' })),
    detail: Type.String()
  })))
}, { title: 'Problem', description: 'Problem details, RFC 9457.' })

const COMMON = {
  400: 'Something about the request is wrong: `errors` says what.',
  401: 'There is no key, or it is not valid.',
  503: 'Redis or another node can\'t be reached: try again after as many seconds as `Retry-After` says.'
}

/**
 * Schemas of the answers that tell of a problem.
 *
 * @param statuses what a status means, where it is not one that all routes have
 */
export function problems (statuses: Record<number, string> = {}) {
  return Object.fromEntries(Object.entries({ ...COMMON, ...statuses }).map(([status, description]) => [
    status, { description, content: { 'application/problem+json': { schema: Problem } } }
  ]))
}

/** What can be wrong where the keys to the console open nothing. */
export const NOT_CONSOLE = { 403: 'The key is one to the console: this takes one of `SYMPLE_API_KEY`.' }

/** Headers of a request that is to be done once. */
export const Once = Type.Object({
  'idempotency-key': Type.Optional(Type.String({
    pattern: '^[\\x21-\\x7e]{1,255}$',
    description: 'Any text, such as a UUID, of 1 to 255 visible ASCII characters. A request that comes again with it within ' +
      'an hour, on any node, is not done again, but gets the same answer, with `Idempotent-Replayed: true`.'
  }))
})

/** What can be wrong with a request that is to be done once. */
export const ONCE = {
  409: 'The first request with this `Idempotency-Key` is being handled: try again after `Retry-After` seconds.',
  422: 'This `Idempotency-Key` has been used for another request.'
}

export const Page = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: 'Entries of a page, at most. Default: 100.' })),
  cursor: Type.Optional(Type.String({ description: 'What the page before gave as its `cursor`. Default: the first page.' }))
})

export const Cursor = Type.Union([Type.String(), Type.Null()], { description: 'Where the next page begins; null: this is the last.' })

export const RoomName = Type.String({ minLength: 1, description: 'Name of an ordinary room.' })
export const UserName = Type.String({ minLength: 1, description: 'A user.' })
export const PeerName = Type.String({ minLength: 1, description: 'Id of a peer, or its address `user|id`.' })

export const Reason = Type.Optional(Type.String({ description: 'What the client is told, at most 123 bytes. Default: `Disconnected by the server`.' }))

const peerFields = {
  id: Type.String(),
  user: Type.String(),
  name: Type.String(),
  address: Type.String({ description: '`user|id`: what stands in `from` of its messages.' }),
  host: Type.String({ description: 'The client\'s address; `virtual` for a peer of the application\'s own.' }),
  node: Type.String({ description: 'Id of the node on which it is.' }),
  data: Type.Unsafe<JsonObject>(Type.Object({}, { additionalProperties: true, description: 'What else its presence tells.' }))
}

export const Peer = Type.Object(peerFields, { title: 'Peer' })

export const PeerDetails = Type.Object({
  ...peerFields,
  rooms: Type.Unsafe<readonly string[]>(Type.Array(Type.String(), { description: 'The ordinary rooms that it is in.' })),
  virtual: Type.Boolean({ description: 'Whether it is one of the application\'s own.' })
}, { title: 'PeerDetails', description: 'The peer.' })

export const Peers = Type.Object({ peers: Type.Array(Peer), cursor: Cursor }, { title: 'Peers', description: 'A page of peers.' })

export const Nothing = Type.Null({ description: 'Done.' })
