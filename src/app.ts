import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import config, { type ConfigOptions } from '../plugins/config.js'
import metrics from '../plugins/metrics.js'
import playground from '../plugins/playground.js'
import redis from '../plugins/redis.js'
import symple, { type ServiceOptions } from '../plugins/symple.js'
import websocket from '../plugins/websocket.js'
import healthRoutes from '../routes/health.js'
import metricsRoute from '../routes/metrics.js'
import sympleRoute from '../routes/symple.js'

export * from './core/public.js'

/** The server as one Fastify plugin. */
const app: FastifyPluginAsync<ConfigOptions & ServiceOptions> = async (fastify, options) => {
  await fastify.register(config, options)
  await fastify.register(redis)
  await fastify.register(symple, options)
  await fastify.register(websocket)
  await fastify.register(metrics)
  await fastify.register(playground)
  await fastify.register(healthRoutes)
  await fastify.register(metricsRoute)
  await fastify.register(sympleRoute)
}

export default fp(app, { name: 'symple-server', fastify: '5.x' })
