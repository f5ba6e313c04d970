// The process of those who never authenticate: it opens connections in batches, from many addresses since each has only
// so many ports, and keeps what the server does not end.
import { connect } from 'node:net'
import { setPriority } from 'node:os'

const [port, connections, batch] = process.argv.slice(2).map(Number)

/** Addresses of the loopback network to call from. */
const ADDRESSES = 50

const UPGRADE = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

// Who measures must not wait for a processor because of this.
setPriority(5)
process.on('disconnect', () => { process.exit() })

const began = performance.now()
let answered = 0
for (let from = 0; from < connections; from += batch) {
  const size = Math.min(batch, connections - from)
  await Promise.all(Array.from({ length: size }, (_, i) => open(from + i)))
}
process.send({ seconds: (performance.now() - began) / 1000, answered })

/** Resolves when the server has answered, or not. */
function open (number) {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + number % ADDRESSES}` })
    socket.once('connect', () => { socket.write(UPGRADE) })
    socket.once('data', data => {
      if (data.toString('latin1').startsWith('HTTP/1.1 101 ')) answered++
      resolve()
    })
    socket.on('error', resolve)
    socket.on('close', resolve)
  })
}
