import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * What a Service is to its clients: each new connection goes to one of the endpoints. It asks nobody how they are, and
 * tries no other where one refuses.
 */
export class Endpoints {
  readonly #sockets = new Map<number, Set<Socket>>()
  #port = 0

  static async start (t: Test): Promise<Endpoints> {
    const endpoints = new Endpoints()
    const server = createServer(socket => { endpoints.#forward(socket) }).listen(0, '127.0.0.1')
    t.teardown(() => {
      server.close()
      for (const sockets of endpoints.#sockets.values()) for (const socket of sockets) socket.destroy()
    })
    await once(server, 'listening')
    endpoints.#port = (server.address() as AddressInfo).port
    return endpoints
  }

  get url (): string {
    return `ws://127.0.0.1:${this.#port}/`
  }

  add (port: number): void {
    this.#sockets.set(port, new Set())
  }

  /** No new connections from here on; those that are there go on. */
  remove (port: number): void {
    this.#sockets.delete(port)
  }

  /** To the endpoint that has the fewest: a new one is soon in use. */
  #forward (client: Socket): void {
    const [port, sockets] = [...this.#sockets].reduce((least, other) => other[1].size < least[1].size ? other : least)
    const node = connect(port, '127.0.0.1')
    sockets.add(client)
    client.on('close', () => {
      sockets.delete(client)
      node.destroy()
    })
    node.on('close', () => { client.destroy() })
    for (const socket of [client, node]) socket.on('error', () => {})
    client.pipe(node).pipe(client)
  }
}
