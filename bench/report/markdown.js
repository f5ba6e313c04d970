import { cluster } from './cluster.js'
import { growth } from './growth.js'
import { descriptions, latencyTable, mainTable, notes } from './tables.js'

/** The page of results; `known` are the parts that they are of. */
export function document ({ date, machine, options, parts }, known) {
  const { servers: played } = parts
  const { scenarios } = known.servers

  return `# Benchmarks

<!-- Written by \`npm run bench -- --docs\`; changes by hand will be lost. -->

![Ratios to a plain ws loop](benchmarks.svg)

symple-server, next to two servers that one could have instead:

- **ws loop**: what one would write by hand with the \`ws\` library (\`bench/servers/ws.js\`). It encodes a message
  once, sends it to each member of a room, and checks nothing.
- **Socket.IO** with its rooms, on WebSockets only (\`bench/servers/socketio.js\`).

symple-server runs with all its checks, only the rate limits are off.

## Results

The main figure, and in parentheses how many times better than the ws loop it is.

${mainTable(played, scenarios)}

${notes(played)}

## Rates and latencies

Deliveries (for \`storm\` presence frames, for \`connect\` connections) a second, and latency as p50 / p99. Where a window
keeps a number of messages in flight, latency is mostly the time that they wait for each other, and a server that is
faster looks better in it too; \`rate\`, \`lone\` and \`direct\` show what a user would notice.

${latencyTable(played, scenarios)}

## Scenarios

${descriptions(scenarios)}
${parts.growth === undefined ? '' : growth(parts.growth, known.growth.scenarios)}${parts.cluster === undefined ? '' : cluster(parts.cluster, known.cluster.scenarios)}
## Method

- Each run has a fresh server${machine.pinned ? ', pinned to one processor; the load comes from another' : ''}.
  Servers take turns. Shown are medians of ${options.reps}; messages are measured for ${options.seconds} s after a warm-up.
- **CPU-second**: a second of the server's processor time, user and system, as the kernel counts it. It says how much
  a machine can carry, and is disturbed the least by what else goes on and by how fast the load is.
- **Every delivery is checked.** Each receiver must get each message once, in the sender's order, whole; nobody else may
  get it, nor its sender. A run with a single fault fails, and nothing is published.
- **Windows flatter servers that batch**: frames that left together are answered together, and so stay together.
  \`flood\` is the honest headline: an open loop sends messages when they are due, whatever has arrived. A server that
  keeps up there has room for more; one that is held up by other work on the machine finds more to batch, so on a busy
  machine \`flood\` varies most. \`lone\` shows what is left when there is nothing to batch.
- All on 127.0.0.1: nobody waits for a network. Clients mask with a key of zero, which spares all servers the unmasking.

Machine: ${machine.cpu}, ${machine.cpus} processors, ${machine.memory}; ${machine.system}; Node.js ${machine.node}; ${date.slice(0, 10)}.

To repeat it: \`npm run bench\`; see [bench/README.md](../bench/README.md).
`
}
