import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Cursor, Page, Peers, problems, RoomName } from './schemas.js'

const Rooms = Type.Object({
  rooms: Type.Array(Type.Object({
    name: Type.String(),
    members: Type.Integer({ description: 'How many peers are in it, on all nodes.' })
  }, { title: 'Room' })),
  cursor: Cursor
}, { title: 'Rooms', description: 'A page of rooms.' })

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { symple } = fastify

  fastify.get('/rooms', {
    config: { console: true },
    schema: {
      tags: ['rooms'],
      operationId: 'listRooms',
      summary: 'List ordinary rooms',
      description: 'By name, page by page. A room is there as long as somebody is in it.',
      querystring: Page,
      response: { 200: Rooms, ...problems() }
    }
  }, async ({ query }) => await symple.rooms(query))

  fastify.get('/rooms/:room/peers', {
    config: { console: true },
    schema: {
      tags: ['rooms'],
      operationId: 'listRoomPeers',
      summary: 'List the peers in a room',
      params: Type.Object({ room: RoomName }),
      querystring: Page,
      response: { 200: Peers, ...problems() }
    }
  }, async ({ params, query }) => await symple.peers({ ...query, room: params.room }))
}

export default routes
