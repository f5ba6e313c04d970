import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { SympleError } from '../src/core/errors.js'
import { PROTOCOL } from '../src/core/protocol.js'

/** Characters of an origin that are logged. */
const MAX_ORIGIN = 200

/** The WebSocket, and for whoever comes without one the playground, or a word about what this is. */
const route: FastifyPluginAsync = async (fastify) => {
  const { config } = fastify

  fastify.route({
    method: 'GET',
    url: config.path,
    onRequest: (request, reply, done) => {
      const refusal = fastify.isUpgrade(request, reply) ? refusalOf(request) : null
      if (refusal === null) return done()
      const { status, message, retryAfter } = refusal
      const origin = request.headers.origin?.slice(0, MAX_ORIGIN)
      request.log.info({ host: request.ip, status, reason: message, origin }, 'refused')
      if (retryAfter !== undefined) reply.header('retry-after', Math.ceil(retryAfter))
      reply.code(status).header('connection', 'close').send({ status, message, retryAfter })
    },
    handler: async (request, reply) => {
      if (fastify.isUpgrade(request, reply)) return fastify.upgrade(request, reply)
      const { playground } = fastify
      reply.header('vary', 'accept')
      if (playground?.isFor(request)) return playground.answer(request, reply)
      reply.type('text/plain; charset=utf-8')
      return `This is a Symple server. It speaks ${PROTOCOL} over WebSocket at this address.\n`
    },
    wsHandler: (ws, request) => { fastify.serveWebSocket(ws, request) }
  })

  function refusalOf (request: FastifyRequest): SympleError | null {
    const { symple } = fastify
    if (symple.accepting && !isAllowed(request)) {
      symple.stats.exceed('origin')
      return new SympleError(403, 'Origin not allowed')
    }
    return fastify.knock(request)
  }

  /** Only browsers send an origin; a page of this very origin may always connect. */
  function isAllowed (request: FastifyRequest): boolean {
    const { origin } = request.headers
    if (origin === undefined || config.allowedOrigins.length === 0) return true
    if (config.allowedOrigins.includes(origin)) return true
    const own = `${request.protocol}://${request.host}`
    return URL.canParse(own) && origin === new URL(own).origin
  }
}

export default route
