import type { Server } from 'node:net'

/** How many sockets a server holds. */
export async function connectionsOf (server: Server): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.getConnections((error, count) => { error === null ? resolve(count) : reject(error) })
  })
}
