import { Type, type FastifyPluginAsyncTypebox, type TProperties } from '@fastify/type-provider-typebox'
import { MAX_LIMIT } from '../../src/core/arguments.js'
import { FIGURES, type Figure } from '../../src/core/figures.js'
import { problems } from './schemas.js'

type Values = Array<number | null>

const series: TProperties = Object.fromEntries(Object.entries(FIGURES).map(([name, description]) =>
  [name, Type.Unsafe<Values>({ type: 'array', items: { type: ['number', 'null'] }, description })]))

const Stats = Type.Object({
  node: Type.Object({
    id: Type.String(),
    host: Type.String({ description: 'Name of its machine.' }),
    pid: Type.Integer(),
    started: Type.String({ format: 'date-time' })
  }),
  impediments: Type.Array(Type.String(), { description: 'What stands in the way of new connections; empty: nothing.' }),
  interval: Type.Number({ description: 'Seconds between two samples.' }),
  span: Type.Number({ description: 'Seconds for which samples are kept.' }),
  times: Type.Array(Type.Number(), { description: 'When each sample was taken, in milliseconds since 1970.' }),
  series: Type.Unsafe<Record<Figure, Values>>(Type.Object(series, {
    description: 'Each figure at each of the times, null where there is nothing to tell. What happens is counted since the ' +
      'sample before.'
  }))
})

const After = Type.Optional(Type.String({
  pattern: '^[\\w-]+:\\d+(,[\\w-]+:\\d+)*$',
  maxLength: 1024,
  description: '`node:time`, or several, comma-separated: of that node, only what is later than that time is sent.'
}))

const Largest = Type.Object({
  rooms: Type.Array(Type.Object({
    name: Type.String(),
    members: Type.Integer({ description: 'How many peers are in it, on all nodes.' })
  }))
})

const routes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { symple } = fastify
  const history = fastify.history!
  const { node, interval, span } = history

  fastify.get('/stats', {
    config: { console: true },
    schema: {
      tags: ['nodes'],
      operationId: 'getStats',
      summary: 'What this node was doing over the last minutes',
      description: 'Only of the node that answers. There where the console is on (`SYMPLE_CONSOLE_KEY`).',
      querystring: Type.Object({ after: After }),
      response: { 200: Stats, ...problems({}) }
    }
  }, async ({ query: { after = '' } }) => {
    const known = after.split(',').map(part => part.split(':')).find(([id]) => id === node.id)
    const impediments = fastify.impediments()
    return { node, impediments, interval, span, ...history.after(Number(known?.[1] ?? 0)) }
  })

  fastify.get('/stats/rooms', {
    config: { console: true },
    schema: {
      tags: ['rooms'],
      operationId: 'listLargestRooms',
      summary: 'List the rooms with most members',
      description: 'Among those that peers of the node that answers are in; members on other nodes are counted. There ' +
        'where the console is on (`SYMPLE_CONSOLE_KEY`).',
      querystring: Type.Object({
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: 'How many. Default: 100.' }))
      }),
      response: { 200: Largest, ...problems({}) }
    }
  }, async ({ query: { limit } }) => ({ rooms: symple.largestRooms(limit) }))
}

export default routes
