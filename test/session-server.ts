import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { ServiceOptions } from '../plugins/symple.js'
import { open, startServer, type Frame, type TestClient, type TestServer } from './helper.js'
import { startRedis, type RedisServer } from './redis.js'

export interface SessionServer {
  url: string
  symple: TestServer['server']['symple']
  redis: RedisServer
  /** A connection of the backend that writes sessions. */
  backend: Redis
  /** Writes a session: an object as JSON, a string as it is. */
  write (token: string, session: object | string): Promise<void>
}

/** Starts a server that lets in who has a session, with a Redis of its own; the test's teardown ends both. */
export async function startSessionServer (
  t: Test, env: Record<string, string> = {}, hooks: ServiceOptions = {}
): Promise<SessionServer> {
  const redis = await startRedis(t)
  const { url, server: { symple } } = await startServer(t, {
    SYMPLE_AUTHENTICATION: 'true', SYMPLE_REDIS_URL: redis.url, SYMPLE_RATE_LIMIT: '0', ...env
  }, hooks)
  const backend = redis.client()
  const write = async (token: string, session: object | string) => { await writeSession(backend, token, session) }
  return { url, symple, redis, backend, write }
}

export async function writeSession (backend: Redis, token: string, session: object | string): Promise<void> {
  await backend.set(`symple:session:${token}`, typeof session === 'string' ? session : JSON.stringify(session))
}

/** Says who it is to a server that refuses it. @returns all that it was told, and the code of the close */
export async function refused (t: Test, url: string, auth: object): Promise<{ frames: Frame[], code: number }> {
  const client = await open(t, url)
  client.send({ type: 'auth', ...auth })
  const { code } = await client.closed
  return { frames: client.frames, code }
}

/** What clients were told of each other, without frames of `barrier`. */
export function told (...clients: TestClient[]): string {
  return JSON.stringify(clients.map(client => client.frames))
}
