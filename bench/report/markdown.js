import { servers } from '../servers.js'
import { count, mainFigures, milliseconds, ratio, remarks } from './figures.js'

/** The page of results. */
export function document ({ date, machine, options, summary }, scenarios) {
  const compared = Object.keys(servers).filter(name => summary.some(({ server }) => server === name))
  const find = (scenario, server) => summary.find(entry => entry.scenario === scenario && entry.server === server)
  const titles = compared.map(server => servers[server].title)

  const main = Object.entries(scenarios).map(([name, { kind }]) => {
    const { key, unit, format } = mainFigures[kind]
    const cells = compared.map(server => {
      const entry = find(name, server)
      return `${format(entry.figures[key])} (${ratio(entry.ratio)})`
    })
    return [`\`${name}\``, unit, ...cells]
  })
  const latencies = Object.entries(scenarios).flatMap(([name]) => {
    const cells = compared.map(server => {
      const { p50, p99, perSecond } = find(name, server).figures
      const latency = p50 == null ? '' : `${milliseconds(p50)} / ${milliseconds(p99)} ms`
      return [perSecond == null ? '' : `${count(perSecond)}/s`, latency].filter(Boolean).join(', ')
    })
    return cells.some(Boolean) ? [[`\`${name}\``, ...cells]] : []
  })
  const notes = summary.flatMap(({ scenario, kind, server, figures }) => {
    const text = remarks(kind, figures)
    return text === '' ? [] : [`- \`${scenario}\`, ${servers[server].title}: ${text}.`]
  })

  return `# Benchmarks

<!-- Written by \`npm run bench -- --docs\`; changes by hand will be lost. -->

![Ratios to a plain ws loop](benchmarks.svg)

symple-server, next to two servers that one could have instead:

- **ws loop**: what one would write by hand with the \`ws\` library (\`bench/servers/ws.js\`). It encodes a message
  once, sends it to each member of a room, and checks nothing.
- **Socket.IO** with its rooms, on WebSockets only (\`bench/servers/socketio.js\`).

symple-server runs with all its checks, only the rate limit is off.

## Results

The main figure, and in parentheses how many times better than the ws loop it is.

${markdownTable(['scenario', 'figure', ...titles], main)}

${notes.join('\n')}

## Rates and latencies

Deliveries (for \`storm\` presence frames, for \`connect\` connections) a second, and latency as p50 / p99. Where a window
keeps a number of messages in flight, latency is mostly the time that they wait for each other, and a server that is
faster looks better in it too; \`rate\`, \`lone\` and \`direct\` show what a user would notice.

${markdownTable(['scenario', ...titles], latencies)}

## Scenarios

${Object.entries(scenarios).map(([name, { about }]) => `- \`${name}\`: ${about}`).join('\n')}

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

function markdownTable (head, rows) {
  const line = cells => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
