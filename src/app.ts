import type { FastifyPluginAsync, RegisterOptions } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigError } from '../plugins/config-error.js'
import { redisTemplate, SCOPE_OPTIONS, sortOptions, type SymplePluginOptions } from './options.js'
import { registerServer } from './parts.js'

export * from './core/public.js'
export type { ServiceOptions } from '../plugins/symple.js'
export type { Environment, ServerSettings, Settings } from '../plugins/settings.js'
export type { RedisTemplate } from '../plugins/redis-template.js'
export type { CommonOptions, ServerOptions, SymplePluginOptions } from './options.js'
export { ConfigError }
export { createServer, type Server } from './create-server.js'

const mount: FastifyPluginAsync<SymplePluginOptions> = async (fastify, options) => {
  const { decorator = 'symple', env, registry, probes = true, metrics = registry === undefined } = options
  const { settings, service } = sortOptions(options, true)
  if (fastify.hasDecorator(decorator)) throw new ConfigError(`decorator: the gateway has a "${decorator}" already`)
  const registered = fastify.hasDecorator('redis') ? fastify.getDecorator<unknown>('redis') : undefined
  const template = redisTemplate(options.redis, registered)
  const { scope } = await registerServer(fastify, {
    config: { settings, env, mounted: true, redis: template === undefined ? undefined : template !== false },
    service,
    log: options.logLevel === undefined ? fastify.log : fastify.log.child({}, { level: options.logLevel }),
    template: template || undefined,
    registry,
    processMetrics: false,
    probes,
    metrics
  }, scopeOptions(options))
  fastify.decorate(decorator, scope.symple)
}

/** What Fastify itself knows of, for any plugin; fastify-plugin keeps it from it. */
function scopeOptions (options: SymplePluginOptions): RegisterOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => SCOPE_OPTIONS.includes(name)))
}

/**
 * The server as a plugin of a gateway:
 *
 *     await gateway.register(symple, { prefix: '/realtime' })
 *
 * Of the gateway itself it changes nothing, but that it decorates it with `symple`.
 *
 * @throws ConfigError that names the option or variable that can't be honoured
 */
const symple = fp(mount, { name: 'symple-server', fastify: '5.x' })

export default symple
