import type { FastifyPluginAsync } from 'fastify'

/** Probes: alive as long as it answers, ready while new connections are accepted. */
const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/healthz', async () => ({ status: 'ok' }))

  fastify.get('/readyz', async (_request, reply) => {
    const reasons = fastify.impediments()
    if (reasons.length === 0) return { status: 'ready' }
    reply.code(503)
    return { status: 'unavailable', reasons }
  })
}

export default routes
