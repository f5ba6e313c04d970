import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { unreachable } from '../src/core/queries.js'
import { ApiError } from './api-problems.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the header `Idempotency-Key` has a request of this route done once. */
    idempotent?: boolean
  }
  interface FastifyRequest {
    claim: Claim | null
  }
}

/** A request that is ours to do, since it is the first of its key. */
interface Claim {
  readonly name: string
  readonly print: string
  /** Whether something of it has been done, though not all: it is not to be done again. */
  lasting: boolean
}

/** What is kept of a request. */
interface Entry {
  /** Tells one request from another. */
  readonly print: string
  /** Absent while it is being handled. */
  readonly answer?: { readonly status: number, readonly type: string, readonly body: string }
}

/** Does a request with a key once, on whichever nodes it arrives how often; who asks again gets the same answer. */
export default fp(async (fastify) => {
  const { answers } = fastify
  fastify.decorateRequest('claim', null)

  fastify.addHook('preHandler', async (request, reply) => {
    const key = request.headers['idempotency-key']
    if (request.routeOptions.config.idempotent !== true || key === undefined) return
    const name = digest(String(key))
    const print = digest(JSON.stringify([request.method, request.url, request.body]))
    const entry: Entry = { print }
    const earlier = await answers.claim(name, JSON.stringify(entry))
      .catch((cause: unknown) => { throw unreachable(cause) })
    if (earlier === null) {
      request.claim = { name, print, lasting: false }
      return
    }
    const { status, type, body } = answerTo(print, JSON.parse(earlier) as Entry)
    return await reply.code(status).type(type).header('idempotent-replayed', 'true').send(body)
  })

  fastify.addHook('onError', async (request, _reply, error) => {
    if (request.claim !== null && error instanceof ApiError) request.claim.lasting = error.lasting
  })

  fastify.addHook<string>('onSend', async (request, reply, body) => {
    const { claim } = request
    if (claim === null) return
    request.claim = null
    const { statusCode: status } = reply
    const entry: Entry = { print: claim.print, answer: { status, type: String(reply.getHeader('content-type')), body } }
    // Whoever was refused may try again, with the same key.
    const settled = status < 300 || claim.lasting
      ? answers.keep(claim.name, JSON.stringify(entry))
      : answers.release(claim.name)
    await settled.catch((err: unknown) => { forgotten(request, err) })
  })
}, { name: 'symple-api-idempotency', fastify: '5.x', dependencies: ['symple-redis'] })

/** @throws ApiError where there is none for this request */
function answerTo (print: string, entry: Entry): NonNullable<Entry['answer']> {
  if (entry.print !== print) {
    throw new ApiError(422, 'This Idempotency-Key has been used for another request')
  }
  if (entry.answer !== undefined) return entry.answer
  throw new ApiError(409, 'The first request with this Idempotency-Key is being handled', { headers: { 'retry-after': '1' } })
}

/** It has been done, and is answered; only who asks again is not known to. */
function forgotten (request: FastifyRequest, err: unknown): void {
  request.log.warn({ err }, 'HTTP API: an answer could not be kept for whoever asks again')
}

/** Keys and bodies may hold anything: what is kept of them tells nothing. */
function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
