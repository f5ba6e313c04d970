import type { AddressInfo } from 'node:net'
import compress from '@fastify/compress'
import cors from '@fastify/cors'
import env from '@fastify/env'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import redis from '@fastify/redis'
import swagger from '@fastify/swagger'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import symple, { type SymplePluginOptions } from '../../src/app.js'

/** What the gateway wants to see before it lets anybody in. */
export const KEY = { authorization: 'Bearer gateway-key' }

/**
 * When a plugin is registered, seen from ours; `sibling`: before, in a scope beside it; `between`: after the first of
 * its mounts.
 */
export type Order = 'before' | 'after' | 'sibling' | 'between' | 'never'

export interface GatewayOptions {
  redisUrl: string
  /** When @fastify/websocket is registered. */
  order: Order
  /** Our plugin, each time it is mounted. */
  mounts: SymplePluginOptions[]
  websocket?: WebsocketPluginOptions
  /** Requests a minute, of each client. */
  max?: number
  /** Called when a hook begins to wait for ever, as it does where a request has the header `X-Hang`. */
  onHang?: () => void
  logger?: FastifyBaseLogger
  fastify?: FastifyServerOptions
}

export interface Gateway {
  app: FastifyInstance
  port: number
  /** Where HTTP is, without a slash at the end. */
  origin: string
  /** Where WebSockets are, without a slash at the end. */
  ws: string
}

/** What the gateway reads of its environment; it has variables and a decorator of its own for that. */
export interface GatewayConfig {
  GREETING: string
}

/** A gateway as people have them, on a free port; the test's teardown ends it. */
export async function startGateway (t: Test, options: GatewayOptions): Promise<Gateway> {
  const { redisUrl, order, mounts, max = 100_000, logger } = options
  const app = Fastify({ ...options.fastify, ...(logger !== undefined && { loggerInstance: logger }) })
  t.teardown(() => app.close())
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    return await reply.code(error.statusCode ?? 500).send({ gateway: error.message })
  })
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ gateway: 'nothing here' }))
  await app.register(env, {
    schema: { type: 'object', properties: { GREETING: { type: 'string', default: 'hello' } } }, data: {}
  })
  await app.register(redis, { url: redisUrl })
  await app.register(redis, { url: redisUrl, namespace: 'spare', keyPrefix: 'gateway:' })
  await app.register(helmet)
  await app.register(cors, { origin: 'https://shop.example' })
  await app.register(compress, { threshold: 1 })
  await app.register(rateLimit, { max })
  await app.register(swagger)
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-hang'] !== undefined) {
      options.onHang?.()
      await new Promise(() => {})
    }
    const open = ['/healthz', '/docs.json', '/limited'].includes(request.url)
    if (open || request.headers.authorization === KEY.authorization) return
    // Who decides this asks somebody: that takes a turn.
    await new Promise(setImmediate)
    await reply.code(401).send({ gateway: 'who are you?' })
  })
  const mount = async (some: SymplePluginOptions[]) => { for (const one of some) await app.register(symple, one) }
  const first = { before: 0, sibling: 0, between: 1, after: mounts.length, never: mounts.length }[order]
  await mount(mounts.slice(0, first))
  if (order === 'sibling') await app.register(async scope => { await addWebSockets(scope, options.websocket) })
  else if (order !== 'never') await addWebSockets(app, options.websocket)
  await mount(mounts.slice(first))
  addRoutes(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, port, origin: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` }
}

async function addWebSockets (app: FastifyInstance, options: WebsocketPluginOptions = {}): Promise<void> {
  await app.register(websocket, options)
  app.get('/own/echo', { websocket: true }, ws => {
    ws.on('message', data => { ws.send(String(data)) })
  })
}

function addRoutes (app: FastifyInstance): void {
  app.get('/', async () => ({ gateway: 'home' }))
  app.get('/healthz', async () => ({ gateway: 'healthy' }))
  app.get('/metrics', async () => ({ gateway: 'metrics' }))
  app.get('/docs.json', async () => app.swagger())
  app.get('/greeting', async () => app.getDecorator<GatewayConfig>('config').GREETING)
  app.get('/fails', async () => { throw Object.assign(new Error('it fails'), { statusCode: 418 }) })
  app.get('/limited', { config: { rateLimit: { max: 2 } } }, async () => 'few')
  app.put<{ Params: { key: string } }>('/kept/:key', async ({ params, body }) => {
    return await app.redis.set(params.key, JSON.stringify(body))
  })
  app.get<{ Params: { key: string } }>('/kept/:key', async ({ params }) => await app.redis.get(params.key))
}
