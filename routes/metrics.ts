import type { FastifyPluginAsync } from 'fastify'

/** The registry in the text format of Prometheus. */
const route: FastifyPluginAsync = async (fastify) => {
  fastify.get('/metrics', async (_request, reply) => {
    reply.type(fastify.metrics.contentType)
    return await fastify.metrics.metrics()
  })
}

export default route
