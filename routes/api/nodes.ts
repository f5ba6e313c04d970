import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { problems } from './schemas.js'

const Nodes = Type.Object({
  nodes: Type.Array(Type.Object({
    id: Type.String(),
    host: Type.String({ description: 'Name of its machine.' }),
    pid: Type.Integer(),
    started: Type.String({ format: 'date-time' }),
    alive: Type.Boolean({ description: 'False: it gave no sign of life in time, and was not cleared up after yet.' }),
    lease: Type.Union([Type.Number(), Type.Null()], {
      description: 'Seconds for which it counts as alive without another sign of life; null: it needs to give none.'
    }),
    self: Type.Boolean({ description: 'Whether it is the one that answers.' })
  }, { title: 'Node' }))
}, { title: 'Nodes', description: 'The nodes.' })

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { symple } = fastify

  fastify.get('/nodes', {
    config: { console: true },
    schema: {
      tags: ['nodes'],
      operationId: 'listNodes',
      summary: 'List the nodes of the cluster',
      response: { 200: Nodes, ...problems() }
    }
  }, async () => ({ nodes: await symple.nodes() }))
}

export default routes
