import Fastify from 'fastify'
import { readConfig, type Config } from '../plugins/config.js'
import type { Variables } from '../plugins/schema.js'
import { redisTemplate, sortOptions, type ServerOptions } from './options.js'

/**
 * The variables in force, and the configuration that they make with the options of a server on its own.
 *
 * Fastify wants to know about TLS, logs and proxies before any plugin can tell it; so it is read on an instance of
 * its own.
 *
 * @throws ConfigError that names the option or variable that can't be honoured
 */
export async function readOptions (options: ServerOptions): Promise<{ variables: Variables, config: Config }> {
  const { settings } = sortOptions(options, false)
  const redis = redisTemplate(options.redis, undefined)
  const supplied = redis === undefined ? undefined : redis !== false
  return await readConfig(Fastify(), { settings, env: options.env, redis: supplied })
}
