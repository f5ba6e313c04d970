import fp from 'fastify-plugin'
import { isObject, type Json } from '../src/core/json.js'
import { ApiError, type Fault } from './api-problems.js'

/** Faults of one request that are told, at most. */
const MAX_FAULTS = 10

/** Names that a part of a request may have; undefined: any, it is checked elsewhere. */
type Names = readonly string[] | undefined

/**
 * Refuses whatever a route has no use for. Were it ignored, who has misspelt a name, or put it in the wrong place,
 * would not learn that something else was done than what they asked for.
 */
export default fp(async (fastify) => {
  fastify.addHook('preValidation', async ({ query, body, routeOptions: { schema = {} } }) => {
    const [inQuery, inBody] = [namesOf(schema.querystring), namesOf(schema.body)]
    const faults = [
      ...strangers(query, inQuery).map(name => misplaced(name, 'query', inQuery, inBody)),
      ...strangers(body, inBody).map(name => misplaced(name, 'body', inBody, inQuery)),
      // What is no object has no names that could be strange.
      ...schema.body === undefined && !isObject(body as Json) ? [{ field: 'body', detail: 'body must be empty' }] : []
    ]
    if (faults.length > 0) throw new ApiError(400, faults[0]!.detail, { errors: faults.slice(0, MAX_FAULTS) })
  })
}, { name: 'symple-api-strictness', fastify: '5.x', dependencies: ['symple-api-json'] })

function namesOf (schema: unknown): Names {
  const { properties } = (schema ?? { properties: {} }) as { properties?: object }
  return properties && Object.keys(properties)
}

function strangers (part: unknown, known: Names): string[] {
  if (known === undefined || !isObject(part as Json)) return []
  return Object.keys(part as object).filter(name => !known.includes(name))
}

function misplaced (field: string, place: 'query' | 'body', known: Names = [], elsewhere: Names = []): Fault {
  const other = place === 'query' ? 'body' : 'query'
  if (elsewhere.includes(field)) return { field, detail: `${field} must stand in the ${other}, not in the ${place}` }
  const takes = known.length === 0 ? 'nothing' : known.join(', ')
  return { field, detail: `${field} is not known here: the ${place} takes ${takes}` }
}
