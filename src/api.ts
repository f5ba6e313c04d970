import serializer, { type Schema } from 'fast-json-stringify'
import type { FastifyPluginAsync } from 'fastify'
import { countAnswers } from '../plugins/api-counts.js'
import docs from '../plugins/api-docs.js'
import idempotency from '../plugins/api-idempotency.js'
import json from '../plugins/api-json.js'
import keys from '../plugins/api-keys.js'
import messages from '../plugins/api-messages.js'
import problems from '../plugins/api-problems.js'
import strictness from '../plugins/api-strictness.js'
import { validatorCompiler } from '../plugins/api-validation.js'
import messagesRoute from '../routes/api/messages.js'
import nodesRoute from '../routes/api/nodes.js'
import peersRoutes from '../routes/api/peers.js'
import roomsRoutes from '../routes/api/rooms.js'
import statsRoutes from '../routes/api/stats.js'
import usersRoutes from '../routes/api/users.js'

/**
 * The HTTP API, in a scope of its own: nothing of it is seen outside, and no compiler or parser of a gateway bends it.
 * What it can do needs a key; what it could do may be read without one.
 */
const api: FastifyPluginAsync = async (fastify) => {
  fastify.setValidatorCompiler(validatorCompiler)
  fastify.setSerializerCompiler<Schema>(({ schema }) => serializer(schema))
  await fastify.register(problems)
  await fastify.register(json)
  await fastify.register(docs)
  await fastify.register(async guarded => {
    await guarded.register(countAnswers)
    await guarded.register(keys)
    await guarded.register(strictness)
    await guarded.register(idempotency)
    await guarded.register(messages)
    await guarded.register(messagesRoute)
    await guarded.register(roomsRoutes)
    await guarded.register(usersRoutes)
    await guarded.register(peersRoutes)
    await guarded.register(nodesRoute)
    if (fastify.history !== null) await guarded.register(statsRoutes)
  })
}

export default api
