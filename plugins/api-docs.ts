import swagger from '@fastify/swagger'
import ui from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import { isObject, type Json, type JsonObject } from '../src/core/json.js'

/** The page and what it is made of come from here alone, and it talks to this server alone. */
const CONTENT_SECURITY_POLICY = [
  'default-src \'none\'',
  'script-src \'self\'',
  'style-src \'self\'',
  'img-src \'self\' data:',
  'connect-src \'self\'',
  'base-uri \'none\'',
  'form-action \'none\'',
  'frame-ancestors \'none\''
].join('; ')

const DESCRIPTION = 'Acts on all nodes of the server, whichever is asked. Calls need a key: `Authorization: Bearer <key>`. ' +
  'Errors are problem details (RFC 9457). Lists come page by page: hand in the `cursor` of a page to get the next.'

/** Describes the routes of a scope, as OpenAPI 3.1 at `/docs/json`, and for people at `/docs`. */
export default fp(async (fastify) => {
  await fastify.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Symple HTTP API', version: '1.0.0', description: DESCRIPTION },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }]
    },
    transform: ({ schema, url }) => ({ schema: shown(schema), url }),
    transformObject: parts => refine('openapiObject' in parts ? parts.openapiObject : {})
  })
  await fastify.register(ui, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    theme: { title: 'Symple HTTP API' },
    // Without a field for other documents than this.
    uiConfig: { layout: 'BaseLayout' },
    uiHooks: {
      onRequest: (request, reply, done) => {
        reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
        // From here on all addresses are relative, and hold behind any proxy.
        if (/\/docs(\?|$)/.test(request.url)) reply.redirect('docs/')
        else done()
      }
    }
  })
}, { name: 'symple-api-docs', fastify: '5.x' })

/** All our routes are hidden from the documentation of a gateway; those that say what they do are shown in ours. */
function shown (schema: FastifySchema): FastifySchema {
  return schema.operationId === undefined ? schema : { ...schema, hide: false }
}

/** Has schemas with a title stand among the components, once each. */
function refine<D extends object> (document: D): D {
  const schemas: JsonObject = {}
  const visit = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isObject(value)) return value
    const copy: JsonObject = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, visit(part)]))
    const { title, type } = copy
    if (typeof title !== 'string' || type !== 'object') return copy
    schemas[title] = copy
    return { $ref: `#/components/schemas/${title}` }
  }
  const { components, ...rest } = visit(JSON.parse(JSON.stringify(document)) as Json) as JsonObject
  return { ...rest, components: { ...components as JsonObject, schemas } } as D
}
