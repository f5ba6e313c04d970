import { Type, TypeBoxValidatorCompiler, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NOT_CONSOLE, Once, ONCE, problems } from './schemas.js'

const Names = Type.Array(Type.String({ minLength: 1 }))
const Everybody = Type.Object({ all: Type.Literal(true) }, { additionalProperties: false })

const Message = Type.Object({
  type: Type.String({ description: '`message`, `event`, `command` or `presence`; clients ignore others.' }),
  from: Type.Optional(Type.Unknown({ description: 'Passed on as it is: no peer vouches for it.' })),
  to: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Names, Everybody], {
    description: 'An address `user|id`, the id of a peer, or a name: the peers of that user and the members of that ' +
      'room. Or an array of such, or `{"all": true}`: everybody. Each peer gets it once.'
  })),
  rooms: Type.Optional(Type.Array(Type.String(), { description: 'As `to`, where that is absent.' })),
  data: Type.Optional(Type.Unknown())
}, { title: 'Message', additionalProperties: true, description: 'Everything in it reaches the recipients as it is.' })

const Body = Type.Union([Message, Type.Array(Message, { minItems: 1, maxItems: 100 })])

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.post('/messages', {
    config: { idempotent: true },
    // What is wrong with which message of a batch, no union of schemas can tell: see `emitMessages`.
    validatorCompiler: part => part.httpPart === 'body' ? () => true : TypeBoxValidatorCompiler(part),
    schema: {
      tags: ['messages'],
      operationId: 'sendMessages',
      summary: 'Send a message, or a batch of them',
      description: 'As a trusted backend, to peers on any node: no membership is asked for. A batch is sent in its order, ' +
        'and only if all its messages make sense. Who gets it is not known. Under one `Idempotency-Key`, it is sent once.',
      headers: Once,
      body: Body,
      response: {
        202: Type.Object({ accepted: Type.Integer({ description: 'How many messages were sent.' }) }, { description: 'All nodes are being told.' }),
        ...problems({ ...NOT_CONSOLE, ...ONCE })
      }
    }
  }, async ({ body }, reply) => {
    const accepted = await fastify.emitMessages(body)
    return await reply.code(202).send({ accepted })
  })
}

export default routes
