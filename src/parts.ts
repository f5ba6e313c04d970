import type { FastifyBaseLogger, FastifyInstance, RegisterOptions } from 'fastify'
import type { Registry } from 'prom-client'
import apiCounts from '../plugins/api-counts.js'
import authentication from '../plugins/authentication.js'
import certificate from '../plugins/certificate.js'
import config, { type ConfigOptions } from '../plugins/config.js'
import configWarnings from '../plugins/config-warnings.js'
import consolePage from '../plugins/console.js'
import history from '../plugins/history.js'
import metrics from '../plugins/metrics.js'
import playground from '../plugins/playground.js'
import readiness from '../plugins/readiness.js'
import redis from '../plugins/redis.js'
import type { RedisTemplate } from '../plugins/redis-template.js'
import symple, { type ServiceOptions } from '../plugins/symple.js'
import tracing from '../plugins/tracing.js'
import websocket from '../plugins/websocket.js'
import consoleRoute from '../routes/console.js'
import healthRoutes from '../routes/health.js'
import metricsRoute from '../routes/metrics.js'
import sympleRoute from '../routes/symple.js'

export interface PartsOptions {
  config: ConfigOptions
  service: ServiceOptions
  log: FastifyBaseLogger
  template: RedisTemplate | undefined
  registry: Registry | undefined
  /** Whether metrics of the process are among the server's. */
  processMetrics: boolean
  /** Whether there are routes for probes. */
  probes: boolean
  /** Whether there is a route for metrics. */
  metrics: boolean
}

/**
 * Puts the server together in a scope of an instance, so that the instance itself remains the application's.
 *
 * @returns the scope; in an object, since an instance is thenable, and would become its root
 */
export async function registerServer (
  fastify: FastifyInstance, parts: PartsOptions, scopeOptions: RegisterOptions = {}
): Promise<{ scope: FastifyInstance }> {
  let scope!: FastifyInstance
  await fastify.register(async instance => {
    await registerParts(instance, parts)
    scope = instance
  }, scopeOptions)
  return { scope }
}

async function registerParts (fastify: FastifyInstance, options: PartsOptions): Promise<void> {
  const { template, registry, log } = options
  await fastify.register(config, options.config)
  await fastify.register(certificate)
  await fastify.register(redis, { template, log })
  await fastify.register(tracing)
  await fastify.register(authentication, { log })
  await fastify.register(symple, { ...options.service, log })
  await fastify.register(configWarnings, { log })
  await fastify.register(readiness)
  await fastify.register(websocket)
  await fastify.register(apiCounts)
  await fastify.register(metrics, { registry, process: options.processMetrics })
  await fastify.register(playground)
  await fastify.register(history)
  await fastify.register(consolePage)
  if (options.probes) await fastify.register(healthRoutes)
  if (options.metrics) await fastify.register(metricsRoute)
  // Much code, which most servers need not load.
  const { apiKeys, consoleKeys } = fastify.config
  if (apiKeys.length + consoleKeys.length > 0) await fastify.register(import('./api.js'), { prefix: '/api' })
  if (fastify.console !== null) await fastify.register(consoleRoute)
  await fastify.register(sympleRoute)
}
