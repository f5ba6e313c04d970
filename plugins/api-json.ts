import fp from 'fastify-plugin'

/** Bytes of a body. */
export const MAX_BODY = 2 ** 20

/** Has the routes of a scope read JSON alone, and in one way, whatever ways a gateway has. */
export default fp(async (fastify) => {
  fastify.removeAllContentTypeParsers()
  const parse = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string', bodyLimit: MAX_BODY }, (request, body, done) => {
    // Many clients name the type even of no body.
    if (body === '') done(null)
    else parse(request, body, done)
  })
  // No body, where all that stands in one may be left out.
  fastify.addHook('preValidation', async request => { request.body ??= {} })
}, { name: 'symple-api-json', fastify: '5.x' })
