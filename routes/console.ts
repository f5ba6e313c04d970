import type { FastifyPluginAsync } from 'fastify'

/** The page for operators. Nothing in it is secret: what it shows comes by the HTTP API. */
const route: FastifyPluginAsync = async (fastify) => {
  const { path, page } = fastify.console!
  fastify.get(path, async (request, reply) => page.answer(request, reply))
}

export default route
