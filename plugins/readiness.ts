import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** What stands in the way of new connections, each in a few words; empty: nothing. */
    impediments (): string[]
  }
}

/** Decorates the instance with `impediments`. */
export default fp(async (fastify) => {
  const { config, backplane, symple } = fastify
  fastify.decorate('impediments', () => [
    ...symple.accepting ? [] : ['draining'],
    ...config.redis?.required === true && !backplane.connected ? ['Redis can not be reached'] : []
  ])
}, { name: 'symple-readiness', fastify: '5.x', dependencies: ['symple-redis', 'symple-service'] })
