import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'

/** The page for operators. Nothing in it is secret: what it shows comes by the HTTP API. */
const route: FastifyPluginAsync = async (fastify) => {
  const { path, page } = fastify.console!
  const { routerOptions, ignoreTrailingSlash } = fastify.initialConfig

  fastify.get(path, answer)
  // Where a gateway takes both for one, that has been said already.
  if (routerOptions?.ignoreTrailingSlash !== true && ignoreTrailingSlash !== true) fastify.get(`${path}/`, answer)

  async function answer (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // From there the page would not find the HTTP API. A relative address holds behind any proxy.
    if (/\/(\?|$)/.test(request.url)) return await reply.redirect('../console')
    return page.answer(request, reply)
  }
}

export default route
