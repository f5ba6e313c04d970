import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import { HOOKS, type Hooks } from '../src/core/hooks.js'
import type { Logger } from '../src/core/logger.js'
import { SessionKeeper } from '../src/core/session-keeper.js'
import { Symple } from '../src/core/symple.js'

declare module 'fastify' {
  interface FastifyInstance {
    symple: Symple<FastifyRequest>
  }
}

/** What the application decides. Hooks get the request of the upgrade, without its socket's further life. */
export type ServiceOptions = Partial<Hooks<FastifyRequest>>
/** The names of these options. */
export const SERVICE_OPTIONS: readonly string[] = HOOKS

/** Decorates the instance with the service, made from `config` and hooks; it is drained when the instance closes. */
export default fp<ServiceOptions & { log: Logger }>(async (fastify, { log, ...hooks }) => {
  const { config, authenticator, backplane, sessionStore, tracer } = fastify
  const { limits, dynamicRooms, drainSeconds, sessionTtl: ttl } = config
  const replyTimeout = config.redis?.timeout
  const parts = { limits, dynamicRooms, authenticator, backplane, tracer, log }
  const symple = new Symple<FastifyRequest>({ ...hooks, ...parts, ...(replyTimeout !== undefined && { replyTimeout }) })
  await symple.start()

  fastify.decorate('symple', symple)
  fastify.addHook('preClose', async () => { await symple.drain(drainSeconds) })
  fastify.addHook('onClose', async () => { await symple.close() })

  if (!config.authentication || sessionStore === null) return
  const keeper = new SessionKeeper({
    store: sessionStore,
    tokens: () => symple.tokens,
    revoke: token => { symple.revoke(token) },
    interval: config.sessionCheck === 0 ? Infinity : config.sessionCheck,
    ttl,
    log,
    now: () => performance.now()
  })
  keeper.start()
  fastify.addHook('onClose', async () => { keeper.stop() })
}, { name: 'symple-service', fastify: '5.x', dependencies: ['symple-authentication', 'symple-redis', 'symple-tracing'] })
