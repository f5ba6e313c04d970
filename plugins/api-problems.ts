import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ArgumentError } from '../src/core/arguments.js'
import { SympleError } from '../src/core/errors.js'

/** One thing that is wrong with a request. */
export interface Fault {
  /** Which message of a batch is meant, from 0. */
  readonly index?: number
  /** The field, or the parameter in the address. */
  readonly field?: string
  readonly detail: string
}

export interface ApiErrorOptions extends ErrorOptions {
  readonly errors?: readonly Fault[]
  readonly headers?: Readonly<Record<string, string>>
  /** Whether something has been done, though not all. */
  readonly lasting?: boolean
}

/** A request that is not done: thrown where that is found out, turned into problem details (RFC 9457) in one place. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly errors: readonly Fault[] | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly lasting: boolean

  /** @param message what is wrong, in words for whoever asked */
  constructor (readonly status: number, message: string, options: ApiErrorOptions = {}) {
    super(message, options)
    this.errors = options.errors
    this.headers = options.headers ?? {}
    this.lasting = options.lasting ?? false
  }
}

/** Seconds after which to try again where Redis or another node is away: it is tried to be reached as often. */
const RETRY_AFTER = '2'

/** Answers all errors of a scope, and whatever it has no route for, with problem details. */
export default fp(async (fastify) => {
  fastify.setErrorHandler(async (error, request, reply) => {
    const known = explain(error)
    if (known === undefined) request.log.error({ err: error, route: request.routeOptions.url }, 'HTTP API: request failed')
    return await answer(reply, known ?? new ApiError(500, 'Something went wrong here'))
  })

  // Addresses may hold what is nobody's business: they are not repeated.
  fastify.setNotFoundHandler(async (_request, reply) =>
    await answer(reply, new ApiError(404, 'There is nothing at this address for this method')))
}, { name: 'symple-api-problems', fastify: '5.x' })

async function answer (reply: FastifyReply, { status, message, errors, headers }: ApiError): Promise<FastifyReply> {
  if (status === 503) reply.header('retry-after', RETRY_AFTER)
  const problem = { type: 'about:blank', title: STATUS_CODES[status], status, detail: message, errors }
  return await reply.code(status).headers(headers).type('application/problem+json').send(JSON.stringify(problem))
}

/** Answers, on a server of our own, what can be no address, and so belongs to no scope. It is not repeated. */
export async function answerBadAddress (
  { statusCode: status = 500 }: FastifyError, { url }: FastifyRequest, reply: FastifyReply
): Promise<void> {
  const message = status === 414 ? 'The address is too long' : 'The address is not valid'
  if (url.startsWith('/api/')) await answer(reply, new ApiError(status, message))
  else await reply.code(status).send({ status, message })
}

/** Undefined: whoever asked is not to blame, and is not told what it was. */
function explain (error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error
  if (error instanceof ArgumentError) {
    const { argument: field, message: detail } = error
    return new ApiError(400, detail, { errors: [{ field, detail }] })
  }
  if (error instanceof SympleError) return new ApiError(error.status, error.message)
  const { code, validation, validationContext, statusCode = 500, message } = error as FastifyError
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ApiError(415, 'The body must be JSON, with content-type: application/json')
  }
  if (validation !== undefined) return invalid(validation, validationContext)
  return statusCode >= 400 && statusCode < 500 ? new ApiError(statusCode, message) : undefined
}

function invalid (found: NonNullable<FastifyError['validation']>, place = 'body'): ApiError {
  const errors = found.map(({ instancePath, message = 'is not valid' }) => {
    const field = instancePath.slice(1).replaceAll('/', '.') || place
    return { field, detail: `${field} ${message}` }
  })
  return new ApiError(400, errors[0]?.detail ?? `The ${place} is not valid`, { errors })
}
