import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Once, ONCE, Page, Peers, problems, Reason, UserName } from './schemas.js'

const User = Type.Object({ user: UserName })

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { symple } = fastify

  fastify.get('/users/:user/peers', {
    config: { console: true },
    schema: {
      tags: ['users'],
      operationId: 'listUserPeers',
      summary: 'List the peers of a user',
      params: User,
      querystring: Page,
      response: { 200: Peers, ...problems() }
    }
  }, async ({ params, query }) => await symple.peers({ ...query, user: params.user }))

  fastify.post('/users/:user/disconnect', {
    config: { idempotent: true, console: true },
    schema: {
      tags: ['users'],
      operationId: 'disconnectUser',
      summary: 'Send all peers of a user away',
      description: 'Their clients get `error 403` and close 4403. They may come back unless their token forbids it. With ' +
        'the status 503 some may have been sent away.',
      params: User,
      headers: Once,
      body: Type.Object({ reason: Reason }, { additionalProperties: false, description: 'May be left out.' }),
      response: {
        200: Type.Object({ disconnected: Type.Integer({ description: 'How many.' }) }, { description: 'They were sent away.' }),
        ...problems(ONCE)
      }
    }
  }, async ({ params, body }) => ({ disconnected: await symple.disconnect(params, body.reason) }))
}

export default routes
