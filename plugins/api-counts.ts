import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    apiCounts: ApiCounts
  }
}

/** What the HTTP API has counted since its start. */
export class ApiCounts {
  /** Requests with a key that is not valid. */
  refused = 0
  readonly #requests = new Map<string, { readonly route: string, readonly status: string, count: number }>()

  /** @param route its method and pattern, such as `GET /rooms/:room/peers` */
  answered (route: string, status: number): void {
    const kind = `${Math.floor(status / 100)}xx`
    const name = `${kind} ${route}`
    const entry = this.#requests.get(name)
    if (entry === undefined) this.#requests.set(name, { route, status: kind, count: 1 })
    else entry.count++
  }

  /** Answers by route and kind of status, such as `2xx`. */
  get requests (): Iterable<{ readonly route: string, readonly status: string, readonly count: number }> {
    return this.#requests.values()
  }
}

/** Decorates the instance with the counts: metrics show them, whether there is an HTTP API or not. */
export default fp(async (fastify) => {
  fastify.decorate('apiCounts', new ApiCounts())
}, { name: 'symple-api-counts', fastify: '5.x' })

/** Counts the answers of the routes of a scope. */
export const countAnswers = fp(async (fastify) => {
  const { apiCounts, prefix } = fastify
  fastify.addHook('onResponse', async ({ method, routeOptions: { url = '' } }, { statusCode }) => {
    apiCounts.answered(`${method} ${url.slice(prefix.length)}`, statusCode)
  })
}, { name: 'symple-api-answers', fastify: '5.x', dependencies: ['symple-api-counts'] })
