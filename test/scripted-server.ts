import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Frame } from './helper.js'

/** What a server that keeps to a script does with one connection, once `auth` is there. */
export type Scene = (socket: WebSocket, auth: Frame) => void

/** The welcome that a scene can begin with. */
export const WELCOME = JSON.stringify({
  type: 'welcome',
  protocol: 'symple/4',
  status: 200,
  peer: { id: 'n1-x', user: 'alice', name: 'alice', online: true, host: '127.0.0.1' },
  rooms: ['alice', 'lobby']
})

/**
 * A server that says what the real one says only in rare moments: one scene for each connection, the last one for all
 * that follow. The test's teardown ends it.
 */
export async function startScripted (t: Test, ...scenes: Scene[]): Promise<{ url: string, auths: Frame[] }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  await once(server, 'listening')
  const auths: Frame[] = []
  let connections = 0
  server.on('connection', socket => {
    const scene = scenes[Math.min(connections++, scenes.length - 1)]!
    socket.once('message', data => {
      const auth = JSON.parse(String(data)) as Frame
      auths.push(auth)
      scene(socket, auth)
    })
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, auths }
}
