import fp from 'fastify-plugin'
import { ApiError } from './api-problems.js'

/** Bytes of a body. */
export const MAX_BODY = 2 ** 20

/** What could change the prototype of an object in whatever program it gets to. */
const FORBIDDEN = 'The body must not hold the key "__proto__", nor "prototype" within "constructor"'

/** Has the routes of a scope read JSON alone, and in one way, whatever ways a gateway has. */
export default fp(async (fastify) => {
  fastify.removeAllContentTypeParsers()
  const parse = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string', bodyLimit: MAX_BODY }, (request, body, done) => {
    // Many clients name the type even of no body.
    if (body === '') return done(null)
    parse(request, body, (error, value) => {
      done(error !== null && isJson(body) ? new ApiError(400, FORBIDDEN) : error, value)
    })
  })
  // No body, where all that stands in one may be left out.
  fastify.addHook('preValidation', async request => { request.body ??= {} })
}, { name: 'symple-api-json', fastify: '5.x' })

function isJson (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
