import fp from 'fastify-plugin'
import { readPage, type Page } from './page.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The page on which people try the server out; null: there is none. */
    playground: Page | null
  }
}

/** Decorates the instance with the playground, where that is on. */
export default fp(async (fastify) => {
  fastify.decorate('playground', fastify.config.playground ? read() : null)

  function read (): Page | null {
    try {
      return readPage('playground')
    } catch (err) {
      // Nobody depends on it: those who start the server by something else than npm have a server all the same.
      fastify.log.warn({ err }, 'there is no playground: it has not been built')
      return null
    }
  }
}, { name: 'symple-playground', fastify: '5.x', dependencies: ['symple-config'] })
