import fp from 'fastify-plugin'
import { ArgumentError, messageArgument, recipientsArgument } from '../src/core/arguments.js'
import { SympleError } from '../src/core/errors.js'
import { isObject, type Json, type JsonObject } from '../src/core/json.js'
import { ApiError, type Fault } from './api-problems.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Sends a message as a backend does, or those of an array in its order; none of them unless all make sense.
     *
     * @returns how many were sent
     * @throws ApiError 400 that tells what is wrong with which, 503 that names those that were not sent
     */
    emitMessages (body: unknown): Promise<number>
  }
}

/** Messages of one request. */
const MAX_BATCH = 100

interface Emission {
  readonly message: JsonObject
  /** Null: everybody. */
  readonly to: string | string[] | null
}

/** Decorates the instance with `emitMessages`. */
export default fp(async (fastify) => {
  const { symple } = fastify

  fastify.decorate('emitMessages', async body => {
    const emissions = Array.isArray(body) ? parseBatch(body) : [parse(body)]
    // All at once: they arrive in the order of the calls.
    const sent = await Promise.allSettled(emissions.map(async ({ message, to }) => {
      await (to === null ? symple.broadcast(message) : symple.send(to, message))
    }))
    const errors = sent.flatMap((result, index): Fault[] => {
      if (result.status === 'fulfilled') return []
      if (Array.isArray(body) && result.reason instanceof SympleError) return [{ index, detail: result.reason.message }]
      throw result.reason
    })
    if (errors.length === 0) return sent.length
    const lasting = errors.length < sent.length
    throw new ApiError(503, 'Not all messages could be sent: errors tells which', { errors, lasting })
  })
}, { name: 'symple-api-messages', fastify: '5.x', dependencies: ['symple-service'] })

function parseBatch (batch: readonly unknown[]): Emission[] {
  if (batch.length === 0 || batch.length > MAX_BATCH) throw new ArgumentError('body', `must hold 1 to ${MAX_BATCH} messages`)
  const errors: Fault[] = []
  const emissions: Emission[] = []
  for (const [index, item] of batch.entries()) {
    try {
      emissions.push(parse(item))
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error
      errors.push({ index, field: error.argument, detail: error.message })
    }
  }
  if (errors.length === 0) return emissions
  throw new ApiError(400, `Nothing was sent: ${errors.length} of ${batch.length} messages are wrong`, { errors })
}

function parse (value: unknown): Emission {
  const json = value as Json
  if (isObject(json) && typeof json['type'] !== 'string') throw new ArgumentError('type', 'must be a string')
  const message = messageArgument(json)
  const to = message['to'] ?? message['rooms']
  return { message, to: isEverybody(to) ? null : recipientsArgument(to) }
}

function isEverybody (to: Json | undefined): boolean {
  if (!isObject(to) || to['all'] !== true) return false
  // `except`, or whatever else it may be: not to be sent to everybody as if nothing had been said.
  const stranger = Object.keys(to).find(name => name !== 'all')
  if (stranger !== undefined) throw new ArgumentError('to', `must hold nothing beside all, but holds ${stranger}`)
  return true
}
