import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import config, { type Config, type ConfigOptions } from '../plugins/config.js'
import type { ServiceOptions } from '../plugins/symple.js'
import app from './app.js'
import { loggerOptions } from './logging.js'

/**
 * Reads the configuration.
 *
 * Fastify wants to know about TLS, logs and proxies before any plugin can tell it; so it is read on an instance of
 * its own.
 */
async function readConfig (options: ConfigOptions): Promise<Config> {
  const instance = Fastify()
  await instance.register(config, options)
  return instance.config
}

/**
 * A server on its own, ready to listen.
 *
 * @throws ConfigError that names the variable that can't be honoured
 */
export async function createServer (overrides: ConfigOptions & ServiceOptions = {}): Promise<FastifyInstance> {
  const config = await readConfig(overrides)
  const options: FastifyServerOptions = {
    logger: loggerOptions(config.logLevel),
    trustProxy: trustProxyOption(config.trustProxy),
    // Connections are logged, requests are not: most are probes.
    logController: new LogController({ disableRequestLogging: true }),
    // Probes are answered to the end.
    return503OnClosing: false,
    // Who is still in the middle of a request when all peers are gone is not waited for.
    forceCloseConnections: true
  }
  const server = Fastify(config.tls === undefined ? options : { ...options, https: config.tls } as FastifyServerOptions)
  // Fastify's own answer repeats the address, in which a token may stand.
  server.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ status: 404, message: 'Not found' }))
  await server.register(app, { ...overrides, config })
  return server
}

/** Fastify trusts nobody on a mere number of hops; who sets one here says that clients can't come in otherwise. */
function trustProxyOption (trustProxy: Config['trustProxy']): NonNullable<FastifyServerOptions['trustProxy']> {
  return typeof trustProxy === 'number' ? (_address, hop) => hop < trustProxy : trustProxy
}
