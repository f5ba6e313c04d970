import fp from 'fastify-plugin'
import { readPage, type Page } from './page.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The page for operators; null: there is none. */
    console: { readonly path: string, readonly page: Page } | null
  }
}

/** Decorates the instance with the console, where a key for it is set. */
export default fp(async (fastify) => {
  const { consoleKeys, path } = fastify.config
  if (consoleKeys.length === 0) {
    fastify.decorate('console', null)
    return
  }
  const folder = path.replace(/\/+$/, '')
  // Relative: what stands before, a gateway's prefix or a proxy's, the browser alone knows.
  const api = `${'../'.repeat(folder.split('/').length - 1)}api`
  // Who has set a key wants it: where it has not been built, the server does not start.
  fastify.decorate('console', { path: `${folder}/console`, page: readPage('console', { api }) })
}, { name: 'symple-console', fastify: '5.x', dependencies: ['symple-config'] })
