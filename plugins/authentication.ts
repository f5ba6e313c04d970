import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { anonymous, sessionAuthenticator, type Authenticator } from '../src/core/auth.js'
import { resolveLimits } from '../src/core/limits.js'

declare module 'fastify' {
  interface FastifyInstance {
    authenticator: Authenticator
  }
}

/** Three parts of base64url; the last is empty in a token that nobody has signed. */
const JWT_FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/

/** Decorates the instance with what decides who a client is: tokens, if they are wanted, or the client itself. */
export default fp<{ log: FastifyBaseLogger }>(async (fastify, { log }) => {
  const { config, sessionStore } = fastify
  if (!config.authentication) {
    fastify.decorate('authenticator', anonymous)
    return
  }
  const limits = resolveLimits(config.limits)
  const sessions = sessionStore && sessionAuthenticator(sessionStore, limits, config.sessionTtl)
  if (config.jwt === undefined) {
    fastify.decorate('authenticator', sessions!)
    return
  }
  // Much code, which most servers need not load.
  const { JwtAuthenticator } = await import('./jwt.js')
  const jwt = new JwtAuthenticator({ config: config.jwt, limits, log: log.child({ module: 'jwt' }) })
  fastify.addHook('onClose', async () => { jwt.close() })
  fastify.decorate('authenticator', sessions === null ? jwt.authenticate : either(jwt.authenticate, sessions))
}, { name: 'symple-authentication', fastify: '5.x', dependencies: ['symple-config', 'symple-redis'] })

/** By the form of the token alone: one that fails as what it looks like is nothing else. */
function either (jwt: Authenticator, sessions: Authenticator): Authenticator {
  return (auth, client) => JWT_FORM.test(auth.token ?? '') ? jwt(auth, client) : sessions(auth, client)
}
