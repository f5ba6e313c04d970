import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { SympleError } from '../../src/core/errors.js'
import { NOT_CONSOLE, Nothing, Page, PeerDetails, PeerName, Peers, problems, Reason, RoomName } from './schemas.js'

const Named = Type.Object({ id: PeerName })
const InRoom = Type.Object({ id: PeerName, room: RoomName })
const UNKNOWN = { 404: 'There is no such peer.' }

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { symple } = fastify

  fastify.get('/peers', {
    config: { console: true },
    schema: {
      tags: ['peers'],
      operationId: 'listPeers',
      summary: 'List all peers',
      description: 'Page by page, in an order of no meaning that stays the same. Who comes or goes between two pages may ' +
        'be missed; nobody is listed twice.',
      querystring: Page,
      response: { 200: Peers, ...problems() }
    }
  }, async ({ query }) => await symple.peers(query))

  fastify.get('/peers/:id', {
    config: { console: true },
    schema: {
      tags: ['peers'],
      operationId: 'getPeer',
      summary: 'Look up a peer',
      params: Named,
      response: { 200: PeerDetails, ...problems(UNKNOWN) }
    }
  }, async ({ params }) => await symple.peer(params.id) ?? unknown())

  fastify.delete('/peers/:id', {
    config: { console: true },
    schema: {
      tags: ['peers'],
      operationId: 'disconnectPeer',
      summary: 'Send a peer away',
      description: 'Its client gets `error 403` and close 4403. It may come back unless its token forbids it.',
      params: Named,
      querystring: Type.Object({ reason: Reason }),
      response: { 204: Nothing, ...problems(UNKNOWN) }
    }
  }, async ({ params, query }, reply) => {
    if (await symple.disconnect(params.id, query.reason) === 0) unknown()
    return await reply.code(204).send(null)
  })

  fastify.put('/peers/:id/rooms/:room', {
    schema: {
      tags: ['peers'],
      operationId: 'joinRoom',
      summary: 'Have a peer join a room',
      description: 'No limit stands against it. Its client is told with `join:ok`, and the presence that follows.',
      params: InRoom,
      response: { 204: Nothing, ...problems({ ...NOT_CONSOLE, ...UNKNOWN }) }
    }
  }, async ({ params }, reply) => {
    if (!await symple.join(params.id, params.room)) unknown()
    return await reply.code(204).send(null)
  })

  fastify.delete('/peers/:id/rooms/:room', {
    schema: {
      tags: ['peers'],
      operationId: 'leaveRoom',
      summary: 'Have a peer leave a room',
      description: 'Its client is told with `leave:ok`.',
      params: InRoom,
      response: { 204: Nothing, ...problems({ ...NOT_CONSOLE, ...UNKNOWN }) }
    }
  }, async ({ params }, reply) => {
    if (!await symple.leave(params.id, params.room)) unknown()
    return await reply.code(204).send(null)
  })
}

function unknown (): never {
  throw new SympleError(404, 'There is no such peer')
}

export default routes
