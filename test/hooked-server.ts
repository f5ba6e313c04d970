import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import type { Test } from 'tap'
import config from '../plugins/config.js'
import websocket from '../plugins/websocket.js'
import sympleRoute from '../routes/symple.js'
import { MemoryBackplane } from '../src/backplane/memory.js'
import type { Authenticator } from '../src/core/auth.js'
import type { Backplane } from '../src/core/backplane.js'
import { Symple } from '../src/core/symple.js'

/** Starts a server of which the test decides who may come in; the test's teardown ends it. */
export async function startHookedServer (
  t: Test, authenticate: Authenticator, env: Record<string, string> = {}, backplane: Backplane = new MemoryBackplane()
): Promise<{ url: string, port: number, symple: Symple }> {
  const fastify = Fastify()
  await fastify.register(config, { env })
  const { limits, dynamicRooms } = fastify.config
  const symple = new Symple({ limits, dynamicRooms, authenticator: authenticate, backplane })
  await fastify.register(fp(async instance => {
    instance.decorate('symple', symple)
    instance.decorate('impediments', () => [])
  }, { name: 'symple-service' }))
  await fastify.register(websocket)
  await fastify.register(sympleRoute)
  t.teardown(async () => {
    await symple.close()
    await fastify.close()
  })
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = fastify.server.address() as AddressInfo
  return { url: `ws://127.0.0.1:${port}${fastify.config.path}`, port, symple }
}
