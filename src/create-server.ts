import type { Socket } from 'node:net'
import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { answerBadAddress } from '../plugins/api-problems.js'
import type { Config } from '../plugins/config.js'
import { DEFAULT_LIMITS, type Limits } from './core/limits.js'
import type { Stats } from './core/stats.js'
import { loggerOptions } from './logging.js'
import { redisTemplate, sortOptions, type ServerOptions } from './options.js'
import { registerServer } from './parts.js'
import { readOptions } from './read-options.js'

/** A server on its own. */
export interface Server {
  /** The Fastify instance, for routes and hooks of your own; `app.symple` is the service. */
  readonly app: FastifyInstance
  /** Listens where options and variables say. @returns the address, such as `http://0.0.0.0:4500` */
  listen (): Promise<string>
  /** Tells and closes all peers, then everything else. */
  close (): Promise<void>
}

/** Milliseconds that a client has for the rest of its TLS handshake when the server closes. */
const HANDSHAKE_GRACE = 1500

/** Characters of an address, since Node takes no more in all headers. */
const MAX_ADDRESS = 16_384

/** Milliseconds between two looks for clients that are too slow. */
const CHECK_INTERVAL = 1000

/** Sockets beside those that may be WebSockets: for probes, and for those who are told that there is no place. */
const SPARE_SOCKETS = 256

/** A server, and the scope of its Fastify instance that holds what it is made of. */
export interface Assembly {
  server: Server
  scope: FastifyInstance
}

/**
 * A server on its own, ready to listen.
 *
 * @throws ConfigError that names the option or variable that can't be honoured
 */
export async function createServer (options: ServerOptions = {}): Promise<Server> {
  return (await assemble(options)).server
}

/** As `createServer`, for the program that runs the server. */
export async function assemble (options: ServerOptions): Promise<Assembly> {
  const { registry, probes = true, metrics = true } = options
  const { service } = sortOptions(options, false)
  const { config } = await readOptions(options)
  const app = createInstance(config)
  const { scope } = await registerServer(app, {
    config: { config },
    service,
    log: app.log,
    template: redisTemplate(options.redis, undefined) || undefined,
    registry,
    processMetrics: registry === undefined,
    probes,
    metrics
  }).catch(async (error: unknown) => {
    // It has joined the other nodes by then, and holds on to Redis.
    await app.close().catch(() => {})
    throw error
  })
  const { symple } = scope
  app.decorate('symple', symple)
  limitSockets(app, config.limits, symple.stats)
  if (config.tls !== undefined) endHandshakes(scope)
  const server = {
    app,
    listen: async () => {
      // What the application has registered may do it itself.
      await app.after()
      answerNotFound(app)
      return await app.listen({ host: config.host, port: config.port, backlog: 4096 })
    },
    close: async () => {
      // Before `close`, which ends plain HTTP: probes are answered while peers are drained.
      await symple.drain(config.drainSeconds)
      await app.close()
    }
  }
  return { server, scope }
}

function createInstance ({ logLevel, trustProxy, tls, limits }: Config): FastifyInstance {
  // As long as for saying who it is, a client has for its TLS handshake, and for a request: without, it holds a socket.
  const timeout = (limits.authTimeout || DEFAULT_LIMITS.authTimeout) * 1000
  const options: FastifyServerOptions = {
    logger: loggerOptions(logLevel),
    trustProxy: trustProxyOption(trustProxy),
    // Connections are logged, requests are not: most are probes.
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: answerBadAddress,
    // Names that stand in addresses have limits of their own.
    routerOptions: { maxParamLength: MAX_ADDRESS },
    // Probes are answered to the end.
    return503OnClosing: false,
    // Who is still in the middle of a request when all peers are gone is not waited for.
    forceCloseConnections: true,
    requestTimeout: timeout,
    // What waits has bounds of its own; a busy machine is no fault.
    pluginTimeout: 0
  }
  const http = { headersTimeout: timeout, connectionsCheckingInterval: CHECK_INTERVAL }
  const https = { ...http, key: tls?.key, cert: tls?.cert, handshakeTimeout: timeout }
  return Fastify({ ...options, ...(tls === undefined ? { http } : { https }) } as FastifyServerOptions)
}

/** Where WebSockets are limited, so are connections that have not become one, and those that are about to end. */
function limitSockets ({ server }: FastifyInstance, { maxConnections }: Limits, stats: Stats): void {
  if (maxConnections === 0) return
  server.maxConnections = maxConnections + Math.max(SPARE_SOCKETS, Math.ceil(maxConnections / 10))
  server.on('drop', () => { stats.exceed('sockets') })
}

/** Node ends plain connections when it closes, but knows of none in its TLS handshake, and would wait for it. */
function endHandshakes (scope: FastifyInstance): void {
  const sockets = new Set<Socket>()
  const forget = function (this: Socket): void { sockets.delete(this) }
  scope.server.on('connection', (socket: Socket) => { sockets.add(socket.once('close', forget)) })
  // Behind the hook of the scope that drains it.
  scope.addHook('preClose', async () => {
    setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, HANDSHAKE_GRACE).unref()
  })
}

/** Fastify's own answer repeats the address, in which a token may stand. */
function answerNotFound (app: FastifyInstance): void {
  try {
    app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ status: 404, message: 'Not found' }))
  } catch {
    // The application has set one, or made the instance ready: Fastify does not tell otherwise.
  }
}

/** Fastify trusts nobody on a mere number of hops; who sets one here says that clients can't come in otherwise. */
function trustProxyOption (trustProxy: Config['trustProxy']): NonNullable<FastifyServerOptions['trustProxy']> {
  return typeof trustProxy === 'number' ? (_address, hop) => hop < trustProxy : trustProxy
}
