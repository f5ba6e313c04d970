import fp from 'fastify-plugin'
import { anonymous } from '../src/core/auth.js'
import { Symple } from '../src/core/symple.js'

declare module 'fastify' {
  interface FastifyInstance {
    symple: Symple
    /** What stands in the way of new connections, each in a few words; empty: nothing. */
    impediments (): string[]
  }
}

/** Decorates the instance with the service, made from `config`; it is drained when the instance closes. */
export default fp(async (fastify) => {
  const { limits, dynamicRooms, drainSeconds } = fastify.config
  const symple = new Symple({ limits, dynamicRooms, authenticate: anonymous, log: fastify.log })

  fastify.decorate('symple', symple)
  fastify.decorate('impediments', () => symple.accepting ? [] : ['draining'])
  fastify.addHook('preClose', async () => { await symple.drain(drainSeconds) })
  fastify.addHook('onClose', async () => { symple.close() })
}, { name: 'symple-service', fastify: '5.x', dependencies: ['symple-config'] })
